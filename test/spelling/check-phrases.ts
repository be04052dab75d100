/** Refuses phrases that vocabulary rules out; single words stand in cspell.config.mjs. Prints each place, then exits with 1. */
import { execa } from 'execa';
import { projectRoot } from '../helpers/project.ts';

const searched = ['*.ts', '*.mjs', '*.py', '*.md', 'configs/*.json'];
const patterns = 'test/spelling/forbidden-phrases.txt';
const argv = ['grep', '--untracked', '-nPi', '-f', patterns, '--', ...searched, ':!test/fixtures'];
const { exitCode, stdout, stderr } = await execa('git', argv, { cwd: projectRoot, reject: false });
// git grep exits with 1 where it finds nothing.
if (exitCode !== 1) {
  console.error(stdout || stderr);
  console.error(`Phrases that ${patterns} rules out. Say it as the documentation of PyTorch or Temporal would.`);
  process.exitCode = 1;
}
