import { Context, log } from '@temporalio/activity';
import { runFolder } from '../../configs/paths.ts';
import type { RemoteCopy, Rollback, RunPlan } from '../../configs/schema/index.ts';
import type { MirrorDependencies } from './dependencies.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { currentFence } from '../shared/run/fence.ts';
import { leaderJob } from '../shared/trainer/host-topology.ts';
import { restoreRun } from './restore-run.ts';
import type { MirrorState } from './mirror-messages.ts';
import { MirrorProcess } from './mirror-process.ts';
import { findLiveJob, requestStop, type RunningJob } from '../shared/trainer/trainer-process.ts';

/** Polling interval of the run folder. */
const pollMs = 2_000;

interface MirroredWork {
  dependencies: MirrorDependencies;
  plan: RunPlan;
  fence: number;
  running: RunningJob;
  onRemote: (copy: RemoteCopy) => void;
}

const isLocal = ({ input }: RunPlan): boolean => input.artifacts.store === 'local';

/** Mirrors the run to its artifact store while `work` runs. Errors of the store do not affect the work. */
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
    // Another machine continues from the copy in the store, and a run must not have two trainers.
    log.warn(`${plan.runId}: an attempt on another host has taken over; stopping the trainer on this host`);
    void requestStop(running.owner);
  }, 1_000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    await mirror.stop();
  }
}

/** Restores what the store holds and this disk lacks, unless a trainer of the run is alive on this machine. */
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
  const request = { store, folder, runId: plan.runId, rollback, signal, onProgress: () => undefined };
  const restored = await restoreRun(request).catch((error: unknown) => {
    // Checkpoints on disk may be intact; if none is, the run asks before it starts over.
    if (!(error instanceof CodedError) || error.code !== 'StoreDamaged') throw error;
    log.warn(`${plan.runId}: ${store.address} has no intact checkpoint to restore`, { error });
    return undefined;
  });
  if (restored !== undefined && restored.restored.length > 0) {
    log.info(`${plan.runId}: restored from ${store.address}: ${restored.restored.join(', ')}`);
  }
}

/** Uploads the rest of the run and returns when the store holds all of it. */
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
  return new MirrorProcess({ home, s3, address, runId: plan.runId, fence, pollMs });
};

const remoteCopy = ({ newest, backlog, problem }: MirrorState): RemoteCopy => ({
  iteration: newest?.iteration ?? null,
  backlog,
  problem,
});
