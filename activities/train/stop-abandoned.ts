import type { Context } from '@temporalio/activity';
import type { JobFolder } from '../../configs/paths.ts';
import { findLiveJob, requestStop } from '../shared/trainer/trainer-process.ts';
import { readWatcher } from '../shared/trainer/watcher-file.ts';
import { forEachJob } from './for-each-job.ts';

/** Client that finds out whether a workflow is open. */
type DescribingClient = Pick<Context['client']['workflow'], 'getHandle'>;

/**
 * Asks the jobs on this machine to save and stop whose workflow has ended: after `temporal workflow terminate`, no attempt
 * adopts them. The activity that watches a job stops it as well, within seconds; this also covers a termination between
 * two attempts, or without a worker.
 */
export async function stopAbandonedJobs(home: string, workflow: DescribingClient): Promise<void> {
  await forEachJob(home, (job) => stopIfAbandoned(job, workflow));
}

async function stopIfAbandoned(job: JobFolder, workflow: DescribingClient): Promise<void> {
  const live = await findLiveJob(job);
  const watcher = live && (await readWatcher(job));
  if (live === undefined || watcher === undefined) return;
  // A workflow that this server does not know may run on another server.
  const description = await workflow
    .getHandle(watcher.workflowId)
    .describe()
    .catch(() => undefined);
  if (description === undefined || description.status.name === 'RUNNING') return;
  console.log(`stopping the trainer of ${job.dir} (pid ${live.owner.pid}): its workflow has ended`);
  await requestStop(live.owner);
}
