import { setTimeout as sleep } from 'node:timers/promises';
import type { JobFolder } from '../../configs/paths.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { listJobs } from '../shared/trainer/host-topology.ts';
import { isAlive } from '../shared/trainer/process-identity.ts';
import { findLiveJob, requestStop } from '../shared/trainer/trainer-process.ts';

/** Asks the jobs of a run on this machine to save and stop, and waits until they have. */
export const createStopJobs =
  ({ home }: { home: string }) =>
  ({ runId }: { runId: string }): Promise<void> =>
    withHeartbeat(
      () => 'stopping the jobs of the run',
      async () => {
        await Promise.all((await listJobs(home, runId)).map(stopJob));
      },
    );

async function stopJob(job: JobFolder): Promise<void> {
  const live = await findLiveJob(job);
  if (live === undefined) return;
  await requestStop(live.owner);
  while (await isAlive(live.owner)) await sleep(100); // the supervisor kills its trainer after the grace period
}
