import { ApplicationFailure, CancelledFailure, createEventGroup, patched, sleep } from '@temporalio/workflow';
import { errorCatalogue, type ErrorCode } from '../../configs/errors.ts';
import { hostsOf, trainingGpus } from '../../configs/schema/plan-hosts.ts';
import type { Attempt, FailureExplanation, Rollback, RunPlan, TrainerControl } from '../../configs/schema/index.ts';
import { decideNext } from './decide.ts';
import type { ControlHandlers } from './control-handlers.ts';
import type { PreparedRun } from './prepare-run.ts';
import { hasCode, unreadableError } from '../support/coded-failure.ts';
import { askParent } from '../support/ask-parent.ts';
import { iterationOf } from '../../activities/shared/summary/checkpoint-name.ts';
import { formatMessage } from '../../activities/shared/summary/run-failure.ts';
import { onLeader, gpuHealth, storeError } from '../support/policies.ts';
import { knownGpus, trustGpus, type KnownGpus } from './gpus.ts';
import {
  adoptAfterErrors,
  countUnwatchedSteps,
  noticeDuringBackOff,
  stopUnwatchedTrainer,
  trainAfterLostTest,
  trustWorkingGpus,
  waitForStoreInTraining,
  waitsAreNoFailures,
} from './patches.ts';
import { startOver } from './reactions.ts';
import { runAttempt } from './run-attempt.ts';
import { formatWait } from './format-run.ts';
import type { StatusBoard } from './status-board.ts';
import { lostItsWatch, stopTrainer, stopTrainerOnError } from './stop-trainer-on-error.ts';
import { waitForStorage } from './wait-for-storage.ts';
import { runMultiHostAttempt } from './run-multi-host-attempt.ts';
import { leaveOutWaits, startAtKnownCheckpoints, type Verdict } from './verdict.ts';

interface TrainingOptions<T> {
  priority: number | undefined;
  onVerdict: (attempt: Attempt, verdict: Verdict) => void;
  /** Tests and reports a finished training. */
  finish: () => Promise<T>;
}

/**
 * Repeats attempts until one finishes, and finishes the run. If the trained checkpoints are lost by then, it trains again:
 * the next attempt looks for others, or asks. However it ends, every accepted update is answered first.
 */
export async function trainUntilFinished<T>(
  { plan, machinesChecked }: PreparedRun,
  board: StatusBoard,
  controls: ControlHandlers,
  options: TrainingOptions<T>,
): Promise<T> {
  try {
    await machinesChecked;
    return await repeatAttempts(plan, board, controls, options);
  } finally {
    controls.finishTraining();
    await controls.untilAnswered();
  }
}

/** Only decide.ts chooses what follows an attempt. */
async function repeatAttempts<T>(
  plan: RunPlan,
  board: StatusBoard,
  controls: ControlHandlers,
  { priority, onVerdict, finish }: TrainingOptions<T>,
): Promise<T> {
  const since = Date.now() / 1000;
  const hosts = hostsOf(plan);
  const interruptible = <T>(work: () => Promise<T>) =>
    stopTrainerOnError(plan, board, () => controls.interruptible(work));
  let rollback: Rollback | null = null;
  /** Attempt after which the run last started over; what was saved before does not count any more. */
  let startedOverAt = 0;
  let queuedSince = since;
  let lostTests = 0;
  /** Attempt until which failures of GPUs do not count any more. */
  let trustedUntil = 0;
  for (let number = 1; ; number++) {
    // A pause frees the GPUs, and no attempt follows a cancellation.
    if (controls.request !== 'nothing' && lostItsWatch(board) && patched(stopUnwatchedTrainer)) {
      await stopTrainer(plan, board);
      board.showLeftover();
    }
    await controls.untilResumed();
    const request = {
      plan,
      attempt: number,
      control: controls.control,
      rollback,
      lastFence: highestFence(board.attempts),
      savedIteration: savedIteration(board, startedOverAt),
      since,
      queuedSince,
      gpus: knownGpus(board.attempts, trustedUntil),
      priority,
      namesProgress: true,
    };
    const attempt = await createEventGroup(`Attempt ${number}`).withScope(() =>
      interruptible(() => (hosts.length > 1 ? runMultiHostAttempt(request, hosts, board) : runAttempt(request, board))),
    );
    // An attempt that lost its GPUs joins the end of the queue; one that lost only the worker keeps its place.
    if (attempt?.outcome !== 'worker-lost') queuedSince = Date.now() / 1000;
    if (attempt === undefined) continue;
    const attempts = trustGpus([...board.attempts, attempt], trustedUntil);
    const known = patched(countUnwatchedSteps) ? startAtKnownCheckpoints(attempts) : attempts;
    const verdict = decideNext({
      attempts: patched(waitsAreNoFailures) ? leaveOutWaits(known) : known,
      plan,
      control: controls.control,
      request: controls.request,
      secondsSinceRequest: controls.secondsSinceRequest,
      etaSeconds: board.progress?.etaSeconds ?? null,
      trustsGpus: patched(trustWorkingGpus),
    });
    const { next, why, change } = verdict;
    let { waitSeconds } = verdict;
    board.addAttempt(attempt, { at: Date.now() / 1000, attempt: number, next, why, change }, controls.pausedSeconds);
    onVerdict(attempt, verdict);
    if (verdict.control !== undefined) controls.apply(verdict.control);
    rollback = verdict.rollback ?? rollback;
    if (verdict.rollback?.startOver === true) startedOverAt = number;
    if (verdict.trustsGpus === true) trustedUntil = number;
    switch (next) {
      case 'test':
        controls.finishTraining();
        await controls.untilAnswered();
        try {
          return await finish();
        } catch (error) {
          lostTests = attempt.fromIteration === attempt.toIteration ? lostTests + 1 : 1;
          if (lostTests >= triesOfLostTest || !isLostAfterTraining(error)) throw error;
        }
        controls.reopenTraining();
        board.enter('training');
        break;
      case 'stop':
        controls.finishTraining();
        if (lostItsWatch(board)) await stopTrainer(plan, board);
        throw stopFailure(plan.runId, attempt, verdict);
      case 'wait-for-space':
      case 'wait-for-storage': {
        const noticeSeconds = patched(noticeDuringBackOff) ? waitSeconds : 0;
        await interruptible(() => waitForStorage(plan, board, formatWait(attempt, plan.runId), noticeSeconds));
        waitSeconds -= noticeSeconds;
        break;
      }
      case 'ask': {
        const question = formatWait(attempt, plan.runId);
        await askParent({ runId: plan.runId, question });
        const who = await controls.untilDecided(question);
        await askParent({ runId: plan.runId, question: null });
        if (who === undefined) break;
        const allowed = startOver(attempt, who);
        board.changeDecision(allowed.change);
        rollback = allowed.rollback ?? null;
        startedOverAt = number;
        break;
      }
      case 'wait-for-gpus': {
        const gpus = knownGpus(board.attempts, trustedUntil);
        const wait = () => interruptible(() => waitForGpus(plan, board, controls.control, gpus));
        if (await controls.endsByResume(wait)) trustedUntil = number;
        break;
      }
      case 'adopt':
        // Since stopUnwatchedTrainer, the trainer is stopped before the next attempt, not before the wait.
        if (controls.request !== 'nothing' && !patched(stopUnwatchedTrainer) && patched(adoptAfterErrors))
          await stopTrainer(plan, board);
        break;
      case 'pause':
      case 'retry':
        break;
      default:
        next satisfies never;
    }
    if (waitSeconds <= 0 || (controls.request !== 'nothing' && patched(stopUnwatchedTrainer))) continue;
    const wait = () => waitBeforeNext(attempt, board, waitSeconds);
    await (patched(stopUnwatchedTrainer) ? interruptible(wait) : wait());
  }
}

/** Backs off after an attempt. Shows a notice meanwhile if its artifact store did not answer or its worker lacked a key. */
async function waitBeforeNext(
  { attempt, watchError, cause }: Attempt,
  board: StatusBoard,
  seconds: number,
): Promise<void> {
  const waitsForStore = watchError === storeError && patched(waitForStoreInTraining);
  const awaited = waitsForStore ? 'the artifact store' : 'a worker with the key';
  const showsNotice = waitsForStore || watchError === unreadableError;
  if (showsNotice) board.showNotice(`The training waits for ${awaited}. ${cause ?? ''}`);
  await sleep(seconds * 1000, { summary: `back-off after attempt ${attempt}` });
  if (showsNotice) board.showNotice(null);
}

/** Returns the highest fence that the attempts may hold. A lost one may have taken the next fence without reporting it. */
const highestFence = (attempts: readonly Attempt[]): number =>
  attempts.reduce((highest, { fence }) => Math.max(highest, fence ?? highest + 1), 0);

/** Lost tests in a row after which a run fails, if the attempts between them had nothing to train. */
const triesOfLostTest = 3;

/** Returns whether the trained checkpoints were lost before their test was complete. */
const isLostAfterTraining = (error: unknown): boolean =>
  hasCode(error, 'CheckpointsLost') && patched(trainAfterLostTest);

/** Returns the newest iteration that the attempts since the last start-over saved; null if none is known. */
function savedIteration({ attempts, progress }: StatusBoard, startedOverAt: number): number | null {
  const reported = attempts.filter(({ attempt }) => attempt > startedOverAt).flatMap(({ checkpoints }) => checkpoints);
  const isNew = progress !== null && progress.attempt > startedOverAt;
  const newest = isNew ? iterationOf(progress.lastCheckpoint ?? '') : undefined;
  return [...reported, newest ?? 0].reduce((a, b) => Math.max(a, b)) || null;
}

async function waitForGpus(
  plan: RunPlan,
  board: StatusBoard,
  control: TrainerControl,
  { known, leftOut }: KnownGpus,
): Promise<void> {
  const needed = plan.recovery.fewerGpus ? 1 : trainingGpus(plan, control);
  const remedy =
    leftOut.length === 0
      ? 'Reset or replace the GPU; training then resumes by itself.'
      : `Replace the GPU; training then resumes by itself. If the same GPU works again: everswin resume ${plan.runId}.`;
  const advice = plan.recovery.fewerGpus
    ? ''
    : ` To continue on the others: everswin cancel ${plan.runId}, set recovery.fewerGpus to true and start the run again.`;
  board.showNotice(
    `Waiting for ${needed} usable GPU${needed === 1 ? '' : 's'}: ${board.decisions.at(-1)?.change ?? 'too few are left'}. ${remedy}${advice}`,
  );
  await gpuHealth.waitForGpus.executeWithOptions(onLeader(plan), [{ known, leftOut, needed }]);
  board.showNotice(null);
}

/** Returns a cancellation when a person cancelled the run, otherwise a failure with its explanation. */
function stopFailure(runId: string, attempt: Attempt, { code, why }: Verdict): Error {
  if (code === undefined) return new CancelledFailure(why);
  const explanation = explainStop(runId, attempt, code, why);
  const message = formatMessage(explanation);
  return ApplicationFailure.create({ message, type: code, nonRetryable: true, details: [explanation] });
}

function explainStop(runId: string, attempt: Attempt, code: ErrorCode, why: string): FailureExplanation {
  const { cause, failure, logTail } = attempt;
  const isKnown = failure !== null && failure.class !== 'unknown' && code !== 'UnexpectedResult';
  return {
    class: failure?.class ?? null,
    cause: `Training stopped: ${why}.${failure === null ? '' : ` ${failure.meaning}`}`,
    evidence: [...(failure === null ? [] : [failure.evidence]), ...(cause?.split('\n') ?? [])],
    remedy: isKnown ? failure.nextStep.replaceAll('RUN', runId) : errorCatalogue[code].nextStep,
    logTail,
  };
}
