import type { JobFolder } from '../../configs/paths.ts';
import { listRuns } from '../plan/references.ts';
import { listJobs } from '../shared/trainer/host-topology.ts';

/**
 * Does something for each job on this machine. A run whose folder is damaged does not block the others.
 * @throws AggregateError with the errors of single runs, after the others are done.
 */
export async function forEachJob(home: string, work: (job: JobFolder, runId: string) => Promise<void>): Promise<void> {
  const errors: Error[] = [];
  for (const runId of await listRuns(home)) {
    try {
      for (const job of await listJobs(home, runId)) await work(job, runId);
    } catch (cause) {
      errors.push(new Error(`run ${runId}: ${String(cause)}`, { cause }));
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, errors.map(({ message }) => message).join('; '));
}
