import { Context, log } from '@temporalio/activity';
import { runFolder } from '../../configs/paths.ts';
import type { RemoteCopy, Rollback, RunPlan } from '../../configs/schema/index.ts';
import type { MirrorDependencies } from './dependencies.ts';
import { currentFence } from '../shared/run/fence.ts';
import { leaderJob } from '../shared/trainer/host-topology.ts';
import { restoreRun } from './restore-run.ts';
import type { MirrorState } from './mirror-messages.ts';
import { MirrorProcess } from './mirror-process.ts';
import { findLiveJob, requestStop, type RunningJob } from '../shared/trainer/trainer-process.ts';

/** How often the run's folder is looked through for something new. */
const pollMs = 2_000;

export interface MirroredWork {
  dependencies: MirrorDependencies;
  plan: RunPlan;
  fence: number;
  running: RunningJob;
  onRemote: (copy: RemoteCopy) => void;
}

const isLocal = ({ input }: RunPlan): boolean => input.artifacts.store === 'local';

/** While `work` runs, brings what the run leaves on disk into its artifact store. Nothing that goes wrong there disturbs the work. */
export async function withMirror<T>(
  { dependencies, plan, fence, running, onRemote }: MirroredWork,
  work: () => Promise<T>,
): Promise<T> {
  if (isLocal(plan)) return work();
  const mirror = startMirror(dependencies, plan, fence);
  let isStopped = false;
  const timer = setInterval(() => {
    const state = mirror.state();
    onRemote(remoteCopy(state));
    if (!state.isSuperseded || isStopped) return;
    isStopped = true;
    // Another machine goes on from the store's copy: two trainers of one run would be one too many.
    log.warn(`${plan.runId}: a newer attempt elsewhere has taken over; the trainer here is stopped`);
    void requestStop(running.owner);
  }, 1_000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    await mirror.stop();
  }
}

/**
 * On a machine where nothing of the run lives: what the store holds of it and this disk does not.
 * Whatever is here and whole is not fetched.
 */
export async function restoreFromStore(
  { home, openStore }: MirrorDependencies,
  plan: RunPlan,
  rollback: Rollback | null,
): Promise<void> {
  if (isLocal(plan)) return;
  const folder = runFolder(home, plan.runId);
  if ((await findLiveJob(leaderJob(folder, plan))) !== undefined) return;
  const store = openStore(plan.input.artifacts.store);
  const { cancellationSignal: signal } = Context.current();
  const restored = await restoreRun({
    store,
    folder,
    runId: plan.runId,
    rollback,
    signal,
    onProgress: () => undefined,
  });
  if (restored !== undefined && restored.restored.length > 0) {
    log.info(`${plan.runId}: restored from ${store.address}: ${restored.restored.join(', ')}`);
  }
}

/** Returns when all of the run is in the store. */
export async function flushMirror(
  dependencies: MirrorDependencies,
  plan: RunPlan,
  signal: AbortSignal,
  onRemote: (copy: RemoteCopy) => void,
): Promise<void> {
  const fence = await currentFence(runFolder(dependencies.home, plan.runId).train);
  const mirror = startMirror(dependencies, plan, fence);
  const timer = setInterval(() => onRemote(remoteCopy(mirror.state())), 1_000);
  try {
    await mirror.flush(signal);
  } finally {
    clearInterval(timer);
    await mirror.stop();
  }
}

const startMirror = ({ home, s3Server: s3 }: MirrorDependencies, plan: RunPlan, fence: number): MirrorProcess => {
  const address = plan.input.artifacts.store;
  return new MirrorProcess({ home, s3, address, runId: plan.runId, fence, everyMs: pollMs });
};

const remoteCopy = ({ newest, backlog, problem }: MirrorState): RemoteCopy => ({
  iteration: newest?.iteration ?? null,
  backlog,
  problem,
});
