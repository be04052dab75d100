import { findMarked, readProcess } from './processes.ts';

const everyMs = 100;

export interface Samples {
  taken: number;
  /** What must never be seen: programs of two attempts alive at once in one job. */
  violations: string[];
}

/**
 * Looks ten times a second whether one trainer at most works in each of the jobs that there are then. A scan of /proc takes a while, in which
 * one may die and the next one start; so of two that a scan shows, the older one is looked at once more: whoever lives
 * after the newer one was seen lived beside it.
 */
export function sampleTrainers(jobDirs: () => readonly string[]): { stop: () => Samples } {
  const samples: Samples = { taken: 0, violations: [] };
  const look = () => {
    samples.taken++;
    samples.violations.push(...findTwoTrainers(jobDirs()));
  };
  const timer = setInterval(look, everyMs);
  return {
    stop: () => {
      clearInterval(timer);
      return samples;
    },
  };
}

/** One scan for all: jobs may be many, and processes are. */
function findTwoTrainers(jobDirs: readonly string[]): string[] {
  const seen = findMarked('EVERSWIN_JOB', ...jobDirs);
  return jobDirs.flatMap((jobDir) => {
    const ofJob = seen.filter(({ environment }) => environment.get('EVERSWIN_JOB') === jobDir);
    const newest = Math.max(...ofJob.map(fenceOf));
    const older = ofJob.filter((process) => fenceOf(process) < newest);
    const still = older.filter(({ pid, startTicks }) => readProcess(pid)?.startTicks === startTicks);
    if (still.length === 0) return [];
    return `${jobDir}: fence ${newest} runs beside ${still.map((one) => `pid ${one.pid} of fence ${fenceOf(one)}`).join(', ')}`;
  });
}

const fenceOf = ({ environment }: { environment: ReadonlyMap<string, string> }): number =>
  Number(environment.get('EVERSWIN_FENCE'));
