import type { ControlActivities, GpuActivities } from '../../activities/index.ts';
import { startingWeights } from '../../configs/schema/plan-weights.ts';

type Activities = ControlActivities & GpuActivities;

/** Summary of each activity in the event list of the Temporal UI. It adds what the type of the activity does not say. */
export const activitySummaries: { [K in keyof Activities]: (...args: Parameters<Activities[K]>) => string } = {
  resolvePlan: ({ recipe, dataset }) => `${recipe} on ${dataset}`,
  checkPlan: ({ runId }) => `dry run of ${runId}`,
  fetchDataset: ({ dataset }) => `data set ${dataset.id}`,
  fetchWeights: ({ weights }) => `weights ${startingWeights(weights).id}`,
  pinPlan: ({ plan }) => `hashes of data and weights of ${plan.runId}`,
  writeReport: ({ plan }) => `report of ${plan.runId}`,
  detectChanges: ({ model }) => `inputs of ${model}`,
  evaluateGate: ({ candidate, champion }) => `${candidate} against ${champion ?? 'no champion'}`,
  readModel: ({ model, store }) => `${model} in ${store}`,
  readVersion: ({ id }) => id,
  changeModel: ({ wanted }) => `${wanted.action} ${wanted.version}`,
  waitForRun: (workflow) => workflow,
  sendTrigger: ({ input, who }) => `${input.model}, requested by ${who}`,
  joinRun: ({ name }) => `run ${name}`,
  watchVariants: ({ runs }) => `validations of ${runs.length} runs`,
  stopVariant: ({ runId }) => `run ${runId}`,
  writeComparison: ({ input }) => `sweep ${input.name}`,
  notify: ({ target, notification: { name, event } }) => `${name}: ${event} → ${target.to} ${target.ref}`,
  recordFailure: ({ runId, failure }) => `${runId}: ${failure.code}`,
  recordCancellation: ({ runId }) => runId,
  checkMachine: ({ runId }) => `machine that trains ${runId}`,
  checkSharedStorage: ({ host }) => `host ${host}`,
  runTraining: ({ attempt, control }) => `attempt ${attempt}, until epoch ${control.epochs}`,
  joinTraining: ({ attempt, host }) => `attempt ${attempt}, ranks of ${host}`,
  runTest: ({ plan }) => `COCO test on ${plan.dataset.id}`,
  exportDetector: ({ plan }) => `MMDetection folder of ${plan.runId}`,
  mirrorRun: ({ runId, input }) => `${runId} to ${input.artifacts.store}`,
  waitForSpace: ({ runId }) => `folder of ${runId}`,
  waitForGpus: ({ needed, known }) => `${needed} of ${known.length} GPUs`,
  stopJobs: ({ runId }) => `trainers of ${runId}`,
  publishCandidate: ({ runId, model }) => `${runId} as candidate of ${model}`,
};

/** Leaves room for an encrypting codec below the server's limit of 400 bytes. */
const maxSummaryBytes = 200;

/** Shortens a summary. A longer one than the server accepts would fail the workflow task again and again. */
export const clipSummary = (text: string): string =>
  text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(maxSummaryBytes)).read);
