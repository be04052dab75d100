import { Context, log } from '@temporalio/activity';
import { runFolder } from '../../configs/paths.ts';
import type { RemoteCopy, Rollback, RunPlan } from '../../configs/schema/index.ts';
import type { MirrorDependencies } from './dependencies.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { currentFence, raiseFence } from '../shared/run/fence.ts';
import { leaderJob } from '../shared/trainer/host-topology.ts';
import { requireTrained } from '../shared/run/checkpoints.ts';
import { restoreRun } from './restore-run.ts';
import { isSuperseded, readRunPointer } from './run-pointer-writer.ts';
import type { MirrorState } from './mirror-messages.ts';
import { MirrorProcess } from './mirror-process.ts';
import { findLiveJob, requestStop, type JobOutcome, type RunningJob } from '../shared/trainer/trainer-process.ts';

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

/**
 * Mirrors the run to its artifact store while `work` follows its trainer. Errors of the store do not affect the work. A
 * training that has finished waits until the store has its last checkpoint, because another machine may test it. So does
 * one that was stopped by a worker that drains, because the disk of a container ends with it.
 */
export async function withMirror(
  { dependencies, plan, fence, running, onRemote }: MirroredWork,
  work: () => Promise<JobOutcome>,
): Promise<JobOutcome> {
  if (isLocal(plan)) return work();
  const mirror = startMirror(dependencies, plan, fence);
  const context = Context.current();
  const isCancelled = () => context.cancellationSignal.aborted;
  const isDraining = () => dependencies.drains && context.cancellationDetails?.workerShutdown === true;
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
    const outcome = await work();
    const isFinished = 'exit' in outcome && outcome.exit.reason === 'finished';
    if (isFinished || isDraining()) await flushWhileStoreWorks(mirror, () => isCancelled() && !isDraining());
    return outcome;
  } finally {
    clearInterval(timer);
    await mirror.stop();
  }
}

async function flushWhileStoreWorks(mirror: MirrorProcess, isCancelled: () => boolean): Promise<void> {
  const end = new AbortController();
  const timer = setInterval(() => {
    if (mirror.state().problem !== null || isCancelled()) end.abort();
  }, 1_000);
  try {
    await mirror.flush(end.signal);
  } finally {
    clearInterval(timer);
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

export interface FinishedRun {
  plan: RunPlan;
  /** Iteration of the last checkpoint; null or absent if the run trained nothing. */
  trained?: number | null;
}

/**
 * Uploads the rest of a finished run and returns when the store holds all of it.
 * @throws CodedError CheckpointsLost when neither this machine nor the store has the last checkpoint.
 */
export async function flushMirror(
  dependencies: MirrorDependencies,
  { plan, trained }: FinishedRun,
  onRemote: (copy: RemoteCopy) => void,
): Promise<void> {
  await restoreFromStore(dependencies, plan, null);
  await requireTrained(runFolder(dependencies.home, plan.runId).train, plan.planHash, trained);
  const { cancellationSignal: signal } = Context.current();
  const mirror = startMirror(dependencies, plan, await takeOver(dependencies, plan, signal));
  const timer = setInterval(() => onRemote(remoteCopy(mirror.state())), 1_000);
  try {
    const { problem } = await mirror.flush(signal);
    signal.throwIfAborted();
    if (problem !== null) throw new CodedError('StaleAttempt', `${plan.runId} is not copied completely: ${problem}`);
  } finally {
    clearInterval(timer);
    await mirror.stop();
  }
}

/** Returns the fence of this machine, raised above that of another one which mirrored the run before. */
async function takeOver({ home, openStore }: MirrorDependencies, plan: RunPlan, signal: AbortSignal): Promise<number> {
  const { train } = runFolder(home, plan.runId);
  const fence = await currentFence(train);
  const found = await readRunPointer(openStore(plan.input.artifacts.store), plan.runId, signal);
  return found !== undefined && isSuperseded(found.pointer, fence) ? raiseFence(train, found.pointer.fence + 1) : fence;
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
