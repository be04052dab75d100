import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { listJobs } from '../shared/trainer/host-topology.ts';
import { stopJob } from '../shared/trainer/trainer-process.ts';
import { endOrphans } from './kill-orphans.ts';

/** Asks the jobs of a run on this machine to save and stop, and waits until they have. */
export const createStopJobs =
  ({ home }: { home: string }) =>
  ({ runId }: { runId: string }): Promise<void> =>
    withHeartbeat(
      () => 'stopping the jobs of the run',
      async () => {
        await Promise.all(
          (await listJobs(home, runId)).map(async (job) => {
            await stopJob(job);
            await endOrphans(job);
          }),
        );
      },
    );
