import type { ActivityDependencies } from './dependencies.ts';
import { withCodedFailures } from './shared/temporal/failure.ts';
import { createCheckMachine } from './preflight/check-machine.ts';
import { createCheckPlan } from './preflight/check-plan.ts';
import { createFetchDataset } from './inputs/fetch-dataset.ts';
import { createFetchWeights } from './inputs/fetch-weights.ts';
import { createJoinTraining } from './train/join-training.ts';
import { createEvaluateGate } from './retrain/evaluate-gate.ts';
import { createDetectChanges } from './retrain/detect-changes.ts';
import { createCheckSharedStorage } from './preflight/check-shared-storage.ts';
import { createJoinRun } from './sweep/join-run.ts';
import { createMirrorRun } from './mirror/mirror-run.ts';
import { createChangeModel, createReadModel, createReadVersion } from './retrain/models.ts';
import { createNotify } from './notify/notify.ts';
import { createRecordCancellation, createRecordFailure } from './pages/runs/record-end.ts';
import { createPinPlan } from './plan/pin-plan.ts';
import { createPublishCandidate } from './retrain/publish-candidate.ts';
import { createResolvePlan } from './plan/resolve-plan.ts';
import { createExportDetector } from './test/export-detector.ts';
import { createRunTest } from './test/run-test.ts';
import { createRunTraining } from './train/run-training.ts';
import { waitForRun } from './retrain/wait-for-run.ts';
import { sendTrigger } from './retrain/send-trigger.ts';
import { createStopVariant } from './sweep/stop-variant.ts';
import { createStopJobs } from './train/stop-jobs.ts';
import { createWaitForGpus } from './train/wait-for-gpus.ts';
import { createWaitForSpace } from './train/wait-for-space.ts';
import { createWatchVariants } from './sweep/watch-variants.ts';
import { createWriteComparison } from './compare/write-comparison.ts';
import { createWriteReport } from './report/write-report.ts';

/** Polling interval of a sweep; epochs of its runs take minutes to hours. */
const watchEveryMs = 5_000;

/** Creates the activities that need network and disk only. */
export const createControlActivities = (dependencies: ActivityDependencies) =>
  withCodedFailures({
    resolvePlan: createResolvePlan(dependencies),
    checkPlan: createCheckPlan(dependencies),
    fetchDataset: createFetchDataset(dependencies),
    fetchWeights: createFetchWeights(dependencies),
    pinPlan: createPinPlan(dependencies),
    writeReport: createWriteReport(dependencies),
    detectChanges: createDetectChanges(dependencies),
    evaluateGate: createEvaluateGate(dependencies),
    readModel: createReadModel(dependencies),
    readVersion: createReadVersion(dependencies),
    changeModel: createChangeModel(dependencies),
    waitForRun,
    sendTrigger,
    joinRun: createJoinRun(),
    watchVariants: createWatchVariants(watchEveryMs),
    stopVariant: createStopVariant(),
    writeComparison: createWriteComparison(dependencies),
    notify: createNotify(dependencies),
    recordFailure: createRecordFailure(dependencies),
    recordCancellation: createRecordCancellation(dependencies),
  });

/** Creates the activities that need the GPUs, or the disk of the GPU machine. */
export const createGpuActivities = (dependencies: ActivityDependencies) =>
  withCodedFailures({
    checkMachine: createCheckMachine(dependencies),
    checkSharedStorage: createCheckSharedStorage(dependencies),
    runTraining: createRunTraining(dependencies),
    joinTraining: createJoinTraining(dependencies),
    runTest: createRunTest(dependencies),
    exportDetector: createExportDetector(dependencies),
    mirrorRun: createMirrorRun(dependencies),
    waitForSpace: createWaitForSpace(dependencies),
    waitForGpus: createWaitForGpus(dependencies),
    stopJobs: createStopJobs(dependencies),
    publishCandidate: createPublishCandidate(dependencies),
  });

export type ControlActivities = ReturnType<typeof createControlActivities>;
export type GpuActivities = ReturnType<typeof createGpuActivities>;
