import { ApplicationFailure, continueAsNew, isCancellation, patched, sleep, workflowInfo } from '@temporalio/workflow';
import { candidateRun, pagePaths } from '../../configs/names.ts';
import type { RetrainInput, RetrainOutcome, RetrainStatus, RunInput, RunPlan } from '../../configs/schema/index.ts';
import { withTimeoutCode } from '../support/coded-failure.ts';
import { summarizeFailure } from '../support/summarize-failure.ts';
import { notifier, type Notifier } from '../support/notify.ts';
import { control, registry } from '../support/policies.ts';
import { fetchInputs } from '../train/fetch-inputs.ts';
import { notifyFailedRetraining } from '../train/patches.ts';
import type { StepHost } from '../train/repeat-step.ts';
import { promoteIfBetter } from './promote-if-better.ts';
import { readRetraining } from '../support/read-input.ts';
import { RetrainBoard } from './retrain-board.ts';
import { trainCandidate } from './train-candidate.ts';

/**
 * Trains a candidate if data, recipe, weights or code changed since the last training, and lets the gate decide on it.
 * @param before status of the execution that this one continues with a fresh history.
 */
export async function retrainDetector(rawInput: unknown, before?: RetrainStatus): Promise<RetrainStatus> {
  try {
    return await runCycles(rawInput, before);
  } catch (error) {
    throw withTimeoutCode(error);
  }
}

async function runCycles(rawInput: unknown, before?: RetrainStatus): Promise<RetrainStatus> {
  const input = readRetraining(rawInput);
  const board = new RetrainBoard(input.model, before);
  const notices = notifier({ name: input.model, notify: input.run.notify });
  do {
    // Triggers that arrive during a cycle cause one more cycle, so the last trigger is never lost.
    try {
      await runCycle(input, board, notices);
    } catch (error) {
      await notifyFailure(notices, error);
      throw error;
    }
    if (board.current.pendingTriggers.length > 0 && workflowInfo().continueAsNewSuggested) {
      await notices.settle();
      await continueAsNew<typeof retrainDetector>(input, board.current);
    }
  } while (board.current.pendingTriggers.length > 0);
  board.show({ stage: 'idle' });
  await notices.settle();
  const last = board.current.outcomes.at(-1);
  if (last?.outcome === 'failed') throw ApplicationFailure.nonRetryable(last.why, 'TrainingFailed');
  return board.current;
}

/** Notifies about a failure outside the training of the candidate, which is an outcome of its cycle. */
async function notifyFailure(notices: Notifier, error: unknown): Promise<void> {
  if (isCancellation(error) || !patched(notifyFailedRetraining)) return;
  const { code, message } = summarizeFailure(error);
  notices.notify('failed', `${code}: ${message}`);
  await notices.settle();
}

async function runCycle(input: RetrainInput, board: RetrainBoard, notices: Notifier): Promise<void> {
  const { model, run } = input;
  const { store } = run.artifacts;
  board.show({ stage: 'detecting changes' });
  const plan = await planWhenSettled(input, { notices, showNotice: board.showNotice });
  if (plan.page !== null) board.show({ page: new URL(pagePaths.model(model), plan.page).href });
  const triggers = board.drainTriggers();
  const { fingerprint, changed, last, champion } = await registry.detectChanges({ model, store, plan });
  board.show({ champion });
  const why = changed ?? `skipped: nothing changed since ${last ?? 'the last training'}`;
  board.addDecision({ at: Date.now() / 1000, triggers, fingerprint, trains: changed !== null, why });
  if (changed === null) return;

  const runId = candidateRun(model, fingerprint.sha256);
  const outcome = await trainAndPromote(input, board, notices, {
    runId,
    fingerprint,
    why: changed,
    requestedBy: triggers.map(({ who }) => who),
  });
  board.addOutcome(outcome);
  notices.notify(outcome.outcome === 'failed' ? 'failed' : 'done', `${runId}: ${outcome.outcome}, ${outcome.why}`);
  board.show({ champion: (await registry.readModel({ model, store })).champion });
}

async function trainAndPromote(
  input: RetrainInput,
  board: RetrainBoard,
  notices: Notifier,
  request: Parameters<typeof trainCandidate>[1],
): Promise<RetrainOutcome> {
  const { runId } = request;
  try {
    board.show({ stage: 'training' });
    const version = await trainCandidate(input, request, { notices, showNotice: board.showNotice });
    return { runId, version, ...(await promoteIfBetter(input, version, board, notices)) };
  } catch (error) {
    if (isCancellation(error)) throw error;
    return { runId, version: null, outcome: 'failed', why: summarizeFailure(error).message, verdict: null };
  }
}

/** Returns the current plan of a training, after the data have stayed unchanged for `settleSeconds`. */
async function planWhenSettled(input: RetrainInput, host: StepHost): Promise<RunPlan> {
  let plan = await planNow(input, host);
  while (input.settleSeconds > 0) {
    await sleep(input.settleSeconds * 1000, { summary: 'data that may still change' });
    const next = await planNow(input, host);
    if (next.planHash === plan.planHash) break;
    plan = next;
  }
  return plan;
}

async function planNow({ model, run }: RetrainInput, host: StepHost): Promise<RunPlan> {
  const input: RunInput = { ...run, version: 1, name: `${model}.look` };
  const planned = await control.resolvePlan(input);
  const [dataset, weights] = await fetchInputs(host, planned);
  return control.pinPlan({ plan: planned, dataset, weights });
}
