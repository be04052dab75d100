import type { ActivityDependencies } from './dependencies.ts';
import { withCodedFailures } from './failure.ts';
import { createCheckMachine } from './check-machine.ts';
import { createCheckPlan } from './check-plan.ts';
import { createFetchDataset } from './fetch-dataset.ts';
import { createFetchWeights } from './fetch-weights.ts';
import { createJoinTraining } from './join-training.ts';
import { createJudge } from './judge.ts';
import { createLookForChange } from './look-for-change.ts';
import { createLookForHosts } from './look-for-hosts.ts';
import { createJoinRun } from './join-run.ts';
import { createMirrorRun } from './mirror-run.ts';
import { createChangeModel, createReadModel, createReadVersion } from './models.ts';
import { createNotify } from './notify.ts';
import { createPinPlan } from './pin-plan.ts';
import { createPublishCandidate } from './publish-candidate.ts';
import { createResolvePlan } from './resolve-plan.ts';
import { createRunTest } from './run-test.ts';
import { createRunTraining } from './run-training.ts';
import { waitForRun } from './wait-for-run.ts';
import { sendTrigger } from './send-trigger.ts';
import { createStopVariant } from './stop-variant.ts';
import { createWaitForSpace } from './wait-for-space.ts';
import { createWatchVariants } from './watch-variants.ts';
import { createWriteComparison } from './write-comparison.ts';
import { createWriteReport } from './write-report.ts';

/** How often a sweep looks at its runs, whose epochs take minutes to hours. */
const watchEveryMs = 5_000;

/** What needs network and disk. */
export const createControlActivities = (dependencies: ActivityDependencies) =>
  withCodedFailures({
    resolvePlan: createResolvePlan(dependencies),
    checkPlan: createCheckPlan(dependencies),
    fetchDataset: createFetchDataset(dependencies),
    fetchWeights: createFetchWeights(dependencies),
    pinPlan: createPinPlan(dependencies),
    writeReport: createWriteReport(dependencies),
    lookForChange: createLookForChange(dependencies),
    judge: createJudge(dependencies),
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
  });

/** What needs the GPUs, or the disk beside them. */
export const createGpuActivities = (dependencies: ActivityDependencies) =>
  withCodedFailures({
    checkMachine: createCheckMachine(dependencies),
    lookForHosts: createLookForHosts(dependencies),
    runTraining: createRunTraining(dependencies),
    joinTraining: createJoinTraining(dependencies),
    runTest: createRunTest(dependencies),
    mirrorRun: createMirrorRun(dependencies),
    waitForSpace: createWaitForSpace(dependencies),
    publishCandidate: createPublishCandidate(dependencies),
  });

export type ControlActivities = ReturnType<typeof createControlActivities>;
export type GpuActivities = ReturnType<typeof createGpuActivities>;
