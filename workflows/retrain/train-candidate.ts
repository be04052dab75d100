import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { executeChild, ParentClosePolicy, ChildWorkflowCancellationType } from '@temporalio/workflow';
import { taskQueues, workflowId } from '../../configs/names.ts';
import type { Fingerprint, RetrainInput, RunInput, VersionId } from '../../configs/schema/index.ts';
import { runWatch, publishing, registry } from '../support/policies.ts';
import { trainDetector } from '../train/train-detector.ts';

interface CandidateRequest {
  /** From model and fingerprint: the same training has the same name, whoever asks for it. */
  runId: string;
  fingerprint: Fingerprint;
  why: string;
  /** Whose triggers it answers. */
  requestedBy: readonly string[];
}

const longestNote = 2000;

/** Trains what has changed, once, and puts it into the registry as a candidate. */
export async function trainCandidate(input: RetrainInput, wish: CandidateRequest): Promise<VersionId> {
  const { model, run } = input;
  const { runId, fingerprint, why, requestedBy: askedBy } = wish;
  const workflow = workflowId(runId);
  const request = `asked for by ${askedBy.join(', ') || 'nobody'}; ${why}`;
  const note = (run.note === undefined ? request : `${run.note} (${request})`).slice(0, longestNote);
  const wanted: RunInput = { ...run, version: 1, name: runId, note, ...(await startingWeights(input)) };
  try {
    await executeChild(trainDetector, {
      workflowId: workflow,
      taskQueue: taskQueues.control,
      args: [wanted],
      // A retraining that was ended by force leaves its training alone; the next one finds it by its name.
      parentClosePolicy: ParentClosePolicy.ABANDON,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      staticSummary: `candidate of ${model}: ${why}`.slice(0, 200),
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    await runWatch.waitForRun(workflow);
  }
  const { store } = run.artifacts;
  return publishing.publishCandidate({ model, store, runId, fingerprint, who: 'retrainDetector', why });
}

/** With what the training begins, where that is not what the input says. */
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

/** The weights of a version, as an input names them. */
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
