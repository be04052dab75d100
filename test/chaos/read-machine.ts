import { cpus, totalmem, release } from 'node:os';
import { execa } from 'execa';
import { projectRoot } from '../helpers/project.ts';

/** Records commit, machine and versions: with the seed, they determine a result. */
export async function readMachine() {
  const git = async (...argv: string[]) => (await execa('git', argv, { cwd: projectRoot, reject: false })).stdout;
  return {
    at: new Date().toISOString(),
    commit: await git('rev-parse', 'HEAD'),
    uncommittedFiles: (await git('status', '--porcelain')).split('\n').filter((line) => line !== '').length,
    machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, memoryGb: Math.round(totalmem() / 2 ** 30) },
    versions: { node: process.version, linux: release() },
  };
}
