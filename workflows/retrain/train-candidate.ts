import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { executeChild, ParentClosePolicy, ChildWorkflowCancellationType } from '@temporalio/workflow';
import { taskQueues, workflowId } from '../../configs/names.ts';
import type { Fingerprint, RetrainInput, RunInput, VersionId } from '../../configs/schema/index.ts';
import { runWatch, publishing, registry } from '../support/policies.ts';
import { clipSummary } from '../support/summaries.ts';
import { repeatStep, type StepHost } from '../train/repeat-step.ts';
import { trainDetector } from '../train/train-detector.ts';

interface CandidateRequest {
  /** Name made of model and fingerprint, so that equal trainings have the same name. */
  runId: string;
  fingerprint: Fingerprint;
  why: string;
  /** Senders of the triggers that caused this training. */
  requestedBy: readonly string[];
}

const maxNoteLength = 2000;

/** Trains a candidate and publishes it to the registry. Joins the training if it already runs or is finished. */
export async function trainCandidate(
  input: RetrainInput,
  request: CandidateRequest,
  host: StepHost,
): Promise<VersionId> {
  const { model, run } = input;
  const { runId, fingerprint, why, requestedBy } = request;
  const workflow = workflowId(runId);
  const reason = `${requestedBy.length === 0 ? '' : `requested by ${requestedBy.join(', ')}; `}${why}`;
  const note = (run.note === undefined ? reason : `${run.note} (${reason})`).slice(0, maxNoteLength);
  const runInput: RunInput = { ...run, version: 1, name: runId, note, ...(await startingWeights(input)) };
  try {
    await executeChild(trainDetector, {
      workflowId: workflow,
      taskQueue: taskQueues.control,
      args: [runInput],
      // A terminated retraining leaves its training running; the next retraining finds it by name.
      parentClosePolicy: ParentClosePolicy.ABANDON,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      staticSummary: clipSummary(`candidate of ${model}: ${why}`),
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    await runWatch.waitForRun(workflow);
  }
  const { store } = run.artifacts;
  return repeatStep(host, `The publication of ${runId}`, () =>
    publishing.publishCandidate({ model, store, runId, fingerprint, who: 'retrainDetector', why }),
  );
}

/** Returns the champion's weights if the training starts from the champion; otherwise nothing. */
async function startingWeights({
  model,
  run,
  start,
}: RetrainInput): Promise<Partial<Pick<RunInput, 'weights' | 'catalog'>>> {
  const { store } = run.artifacts;
  const { champion } = await registry.readModel({ model, store });
  if (start === 'run' || champion === null) return {};
  return championWeights(run, await registry.readVersion({ model, store, id: champion }));
}

/** Returns the input fields that start a run from the weights of a version. */
export function championWeights(
  { catalog }: RetrainInput['run'],
  { version, source }: Awaited<ReturnType<typeof registry.readVersion>>,
): Pick<RunInput, 'weights' | 'catalog'> {
  const champion = { title: `${version.id}, a version of ${version.model}`, source };
  return {
    weights: { detector: 'champion' },
    catalog: { ...catalog, weights: { ...catalog.weights, champion } },
  };
}
