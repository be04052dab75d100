import { findMarked, readProcess } from './processes.ts';

const everyMs = 100;

export interface Samples {
  count: number;
  /** Cases of programs of two attempts that were alive in one job at the same time. */
  violations: string[];
}

/**
 * Checks ten times a second that each job has at most one trainer. During a scan of /proc one trainer may exit and the
 * next one start. So the older of two is read again: if it still runs after the newer one was found, both ran at the same
 * time.
 */
export function sampleTrainers(jobDirs: () => readonly string[]): { samples: Samples; stop: () => Samples } {
  const samples: Samples = { count: 0, violations: [] };
  const sample = () => {
    samples.count++;
    samples.violations.push(...findTwoTrainers(jobDirs()));
  };
  const timer = setInterval(sample, everyMs);
  return {
    samples,
    stop: () => {
      clearInterval(timer);
      return samples;
    },
  };
}

/** Scans /proc once for all jobs. */
function findTwoTrainers(jobDirs: readonly string[]): string[] {
  const processes = findMarked('EVERSWIN_JOB', ...jobDirs);
  return jobDirs.flatMap((jobDir) => {
    const ofJob = processes.filter(({ environment }) => environment.get('EVERSWIN_JOB') === jobDir);
    const newest = Math.max(...ofJob.map(fenceOf));
    const older = ofJob.filter((process) => fenceOf(process) < newest);
    const still = older.filter(({ pid, startTicks }) => readProcess(pid)?.startTicks === startTicks);
    if (still.length === 0) return [];
    return `${jobDir}: fence ${newest} runs at the same time as ${still.map((one) => `pid ${one.pid} of fence ${fenceOf(one)}`).join(', ')}`;
  });
}

const fenceOf = ({ environment }: { environment: ReadonlyMap<string, string> }): number =>
  Number(environment.get('EVERSWIN_FENCE'));
