import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { executeChild, ParentClosePolicy, patched } from '@temporalio/workflow';
import { evaluationId, evaluationRun, taskQueues } from '../../configs/names.ts';
import type { ModelVersion, RetrainInput, RetrainOutcome, VersionId } from '../../configs/schema/index.ts';
import { formatTrainerVersion, testedBy } from '../../configs/trainer-versions.ts';
import { evaluateDetector } from '../evaluate/evaluate-detector.ts';
import { hasCode } from '../support/coded-failure.ts';
import { compareTestVersions } from '../train/patches.ts';
import type { Notifier } from '../support/notify.ts';
import { runWatch, registry } from '../support/policies.ts';
import type { RetrainBoard } from './retrain-board.ts';
import { championWeights } from './train-candidate.ts';

type GateOutcome = Pick<RetrainOutcome, 'outcome' | 'why' | 'verdict'>;

/** Retries after a concurrent promotion. */
const maxTries = 5;

/** Evaluates the gate, asks for approval if the input requires it, and promotes or rejects the candidate. */
export async function promoteIfBetter(
  input: RetrainInput,
  candidate: VersionId,
  board: RetrainBoard,
  notices: Notifier,
): Promise<GateOutcome> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await tryPromotion(input, candidate, board, notices);
    } catch (error) {
      // Another promotion changed the champion, so the candidate is compared with the new one.
      if (tries === maxTries || !hasCode(error, 'StoreConflict')) throw error;
    }
  }
}

async function tryPromotion(
  input: RetrainInput,
  candidate: VersionId,
  board: RetrainBoard,
  notices: Notifier,
): Promise<GateOutcome> {
  const { model, run, gate: rules } = input;
  const { store } = run.artifacts;
  const { champion } = await registry.readModel({ model, store });
  if (champion === candidate) return { outcome: 'promoted', why: 'it is already the champion', verdict: null };
  const championRun = champion === null ? null : await testChampion(input, candidate, champion, board);
  board.show({ stage: 'evaluating gate', champion });
  const { passed, why, evidence } = await registry.evaluateGate({
    model,
    store,
    candidate,
    champion,
    championRun,
    rules,
  });
  const ask = () => requestDecision(input, board, { candidate, why, notices });
  const decision = passed ? await ask() : { approved: false, who: 'the gate', why };
  const action = decision.approved ? 'promote' : 'reject';
  const wanted = { action, version: candidate, who: decision.who, why: decision.why, evidence } as const;
  await registry.changeModel({ model, store, wanted, expected: champion });
  return { outcome: decision.approved ? 'promoted' : 'rejected', why: decision.why, verdict: evidence };
}

async function requestDecision(
  { model, promote }: RetrainInput,
  board: RetrainBoard,
  { candidate, why, notices }: { candidate: VersionId; why: string; notices: Notifier },
) {
  if (promote.by === 'gate') return { approved: true, who: 'the gate', why };
  const { deadlineHours, otherwise } = promote;
  const text = [
    `${candidate} waits for approval as champion of ${model} (gate: ${why}).`,
    `Answer: everswin models approve ${model} --why TEXT, or everswin models reject ${model} --why TEXT.`,
    `Without an answer within ${deadlineHours} h, the plan says: ${otherwise}.`,
  ].join('\n');
  const answer = await board.requestApproval(candidate, promote, () => notices.notify('waiting-for-approval', text));
  if (answer !== undefined) return { ...answer, why: `${answer.why} (gate: ${why})` };
  const timeout = `no answer within ${deadlineHours} h; the plan says: ${otherwise} (gate: ${why})`;
  return { approved: otherwise === 'promote', who: 'the deadline', why: timeout };
}

/**
 * Tests the champion again on the candidate's data if it was tested on other data or by other code.
 * @returns the run that holds the new numbers; null if the recorded numbers are comparable.
 */
async function testChampion(
  { model, run }: RetrainInput,
  candidate: VersionId,
  champion: VersionId,
  board: RetrainBoard,
): Promise<string | null> {
  const { store } = run.artifacts;
  const [ours, theirs] = await Promise.all(
    [candidate, champion].map((id) => registry.readVersion({ model, store, id })),
  );
  if (ours === undefined || theirs === undefined || isSameTest(ours.version, theirs.version)) return null;
  board.show({ stage: 'testing champion' });
  const { annotationsSha256 } = ours.version.test;
  const name = `${model}-champion-${[theirs.version.weights.sha256, annotationsSha256, testCode(ours.version)].map((one) => one.slice(0, 6)).join('-')}`;
  const input = {
    ...run,
    version: 1 as const,
    name,
    recipe: theirs.version.recipe.name,
    ...championWeights(run, theirs),
  };
  try {
    await executeChild(evaluateDetector, {
      workflowId: evaluationId(name),
      taskQueue: taskQueues.control,
      args: [input],
      staticSummary: `champion ${champion}, tested like ${candidate}`,
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    await runWatch.waitForRun(evaluationId(name));
  }
  return evaluationRun(name);
}

const isSameTest = (one: ModelVersion, other: ModelVersion): boolean =>
  one.test.annotationsSha256 === other.test.annotationsSha256 &&
  one.test.images === other.test.images &&
  testCode(one) === testCode(other);

/** Identifies the code of a test by the versions of its parts, such as `v-1-2`; in earlier histories by a hash. */
const testCode = ({ test: { trainerCode, trainerVersion } }: ModelVersion): string =>
  patched(compareTestVersions)
    ? `v${(trainerVersion ?? formatTrainerVersion({}, testedBy)).replaceAll(/\D+/g, '-')}`
    : trainerCode;
