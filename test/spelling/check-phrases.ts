/** Prints each forbidden phrase and exits with 1 if there is any. Forbidden single words are in cspell.config.mjs. */
import { execa } from 'execa';
import { projectRoot } from '../helpers/project.ts';

const searched = ['*.ts', '*.mjs', '*.py', '*.md', 'configs/*.json'];
const patterns = 'test/spelling/forbidden-phrases.txt';
const argv = ['grep', '--untracked', '-nPi', '-f', patterns, '--', ...searched, ':!test/fixtures'];
const { exitCode, stdout, stderr } = await execa('git', argv, { cwd: projectRoot, reject: false });
// git grep exits with 1 if it finds nothing.
if (exitCode !== 1) {
  console.error(stdout || stderr);
  console.error(`Phrases that ${patterns} forbids. Use the terms of the PyTorch or Temporal documentation instead.`);
  process.exitCode = 1;
}
