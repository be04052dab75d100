/** Finds the processes of one job by their environment and arguments. */
import { findMarked, type Process } from './processes.ts';

/** Returns all processes that a supervisor of this job started, also those with a new parent. */
export const listProgram = (jobDir: string): Process[] => findMarked('EVERSWIN_JOB', jobDir);

/** Returns the ranks, without torchrun's launcher and the loader workers, which are forked from a rank. */
export function listRanks(jobDir: string): Process[] {
  const ranks = listProgram(jobDir).filter(({ argv }) => rankCommands.has(commandOf(argv)));
  const pids = new Set(ranks.map(({ pid }) => pid));
  return ranks.filter(({ parent }) => !pids.has(parent));
}

/** Returns the supervisors: usually one, or a second one that is about to find the job locked. */
export const listSupervisors = (chaosDir: string, jobDir: string): Process[] =>
  findMarked('EVERSWIN_CHAOS_DIR', chaosDir).filter(
    ({ argv }) => commandOf(argv) === 'supervise' && argv[argv.indexOf('--job-dir') + 1] === jobDir,
  );

const rankCommands = new Set(['train', 'test']);

const trainerModules = new Set(['everswin_trainer', 'fake_trainer']);

/** Returns the command of `python -m everswin_trainer|fake_trainer COMMAND`; empty for anything else, including torchrun. */
function commandOf(argv: string[]): string {
  const module = argv.indexOf('-m') + 1;
  return trainerModules.has(argv[module] ?? '') ? (argv[module + 1] ?? '') : '';
}
