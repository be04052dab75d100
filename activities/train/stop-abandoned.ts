import { dirname } from 'node:path';
import type { Context } from '@temporalio/activity';
import type { JobFolder } from '../../configs/paths.ts';
import { RunPlan } from '../../configs/schema/index.ts';
import type { MirrorDependencies } from '../mirror/dependencies.ts';
import { isSuperseded, readRunPointer } from '../mirror/run-pointer-writer.ts';
import { readJson } from '../shared/files/json-file.ts';
import { currentFence } from '../shared/run/fence.ts';
import type { OpenStore } from '../shared/store/artifact-store.ts';
import { findLiveJob, requestStop } from '../shared/trainer/trainer-process.ts';
import { readWatcher } from '../shared/trainer/watcher-file.ts';
import { forEachJob } from './for-each-job.ts';

/** Client that finds out whether a workflow is open. */
type DescribingClient = Pick<Context['client']['workflow'], 'getHandle'>;

/**
 * Asks the jobs on this machine to save and stop that no attempt will adopt. Their workflow has ended, such as after
 * `temporal workflow terminate`, or their run has moved to another machine while this one was cut off. The activity that
 * watches a job stops it as well, within seconds; this also covers the time between two attempts, or without a worker.
 */
export async function stopAbandonedJobs(
  { home, openStore }: Pick<MirrorDependencies, 'home' | 'openStore'>,
  workflow: DescribingClient,
): Promise<void> {
  await forEachJob(home, async (job) => {
    const live = await findLiveJob(job);
    if (live === undefined) return;
    const why = (await hasEnded(job, workflow)) ? 'its workflow has ended' : await findSuccessor(job, openStore);
    if (why === undefined) return;
    console.log(`stopping the trainer of ${job.dir} (pid ${live.owner.pid}): ${why}`);
    await requestStop(live.owner);
  });
}

async function hasEnded(job: JobFolder, workflow: DescribingClient): Promise<boolean> {
  const watcher = await readWatcher(job);
  if (watcher === undefined) return false;
  // A workflow that this server does not know may run on another server.
  const description = await workflow
    .getHandle(watcher.workflowId)
    .describe()
    .catch(() => undefined);
  return description !== undefined && description.status.name !== 'RUNNING';
}

/** Returns which machine continues the run, according to the copy in its artifact store; undefined if none does. */
async function findSuccessor(job: JobFolder, openStore: OpenStore): Promise<string | undefined> {
  const plan = await readJson(`${dirname(job.dir)}/plan.json`, RunPlan);
  if (plan === undefined || plan.input.artifacts.store === 'local') return undefined;
  // The store may be away; the next sweep asks again.
  const found = await readRunPointer(openStore(plan.input.artifacts.store), plan.runId).catch(() => undefined);
  if (found === undefined || !isSuperseded(found.pointer, await currentFence(job))) return undefined;
  return `its run continues on ${found.pointer.host}`;
}
