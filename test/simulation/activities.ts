/**
 * Activities of the simulated workers. Those that train, test, stop and watch are the real ones, on the simulated
 * machine. Those that plan, download, render and upload are stubs, which take time and fail like the real ones.
 */
import { createMirrorRun } from '../../activities/mirror/mirror-run.ts';
import { createRunTest } from '../../activities/test/run-test.ts';
import { createJoinTraining } from '../../activities/train/join-training.ts';
import { createRunTraining } from '../../activities/train/run-training.ts';
import { createStopJobs } from '../../activities/train/stop-jobs.ts';
import { createWaitForGpus } from '../../activities/train/wait-for-gpus.ts';
import { StandbyTrainers } from '../../activities/shared/trainer/standby-trainers.ts';
import type { Device } from '../../activities/shared/trainer/trainer-argv.ts';
import { createWaitForSpace } from '../../activities/train/wait-for-space.ts';
import type { TrainDependencies } from '../../activities/train/dependencies.ts';
import { withHeartbeat } from '../../activities/shared/temporal/heartbeat.ts';
import { CodedError } from '../../activities/shared/errors/coded-error.ts';
import { withCodedFailures } from '../../activities/shared/temporal/failure.ts';
import { trainArgv, testArgv } from '../../activities/shared/trainer/trainer-argv.ts';
import { createJoinRun } from '../../activities/sweep/join-run.ts';
import { createStopVariant } from '../../activities/sweep/stop-variant.ts';
import { createWatchVariants } from '../../activities/sweep/watch-variants.ts';
import { sendTrigger } from '../../activities/retrain/send-trigger.ts';
import { waitForRun } from '../../activities/retrain/wait-for-run.ts';
import { createHash } from 'node:crypto';
import { localStore } from '../../activities/shared/store/local-store.ts';
import { evaluationRun } from '../../configs/names.ts';
import { createPublishCandidate, createRegistryActivities } from './registry.ts';
import type { ReportRef, RunInput, RunPlan } from '../../configs/schema/index.ts';
import { miniDataset, miniPlan, miniPreparer, miniWeights } from '../helpers/mini-plan.ts';
import type { Random } from '../chaos/random.ts';
import type { Activities } from './temporal/activity-worker.ts';
import { aMetricsFile } from './machine/sample-metrics.ts';
import { currentProcess } from './machine/process.ts';

/** Folder of the runs on the simulated disk. */
export const home = '/home/everswin';

const { bbox, segm } = aMetricsFile('', '');
const aReport: ReportRef = {
  uri: 'file:///report/index.html',
  sha256: 'a'.repeat(64),
  bytes: 10,
  bbox,
  segm,
  verdict: 'Box AP 50.0 and mask AP 50.0.',
  crashes: 0,
  stepsRepeated: 0,
  goodput: 1,
};
const aDetector = { uri: 'file:///detector', path: '/detector', classes: ['disc'], categoryIds: [1], files: [] };

/** How stubs behave in one simulation. */
export interface StubBehavior {
  random: Random;
  /** Version of the training data. Another version is another plan. */
  dataVersion: () => number;
  /** Share of calls that fail with an error that Temporal retries. */
  failureRate: number;
  /** Longest duration of a call. */
  longestMs: number;
  device: Device;
  /** Called when a workflow has changed the registry. */
  onRegistryChanged: () => void;
}

/** Folder of the artifact store on the simulated disk. */
export const store = `${home}/store`;

const dependenciesOf = ({ device }: StubBehavior): TrainDependencies => ({
  home,
  recipesFolder: '/recipes',
  python: { executable: 'python', env: {} },
  programs: { train: trainArgv, test: testArgv, module: 'everswin_trainer' },
  device,
  address: '127.0.0.1',
  slurm: undefined,
  gpus: {
    folder: `${home}/gpus`,
    foreignMib: 1024,
    healthSeconds: 60,
    healthTimeoutSeconds: 30,
    withGpusHeld: (work) => work(),
  },
  standbys: new StandbyTrainers(),
  observe: (_training, work) => work(),
  preparer: miniPreparer,
  openStore: () => localStore(store),
  s3Server: { endpoint: undefined, region: undefined },
  drains: false,
});

const planOf = (input: RunInput, purpose: string | undefined, dataVersion: number): RunPlan => ({
  ...miniPlan,
  runId: purpose === 'evaluation' ? evaluationRun(input.name) : input.name,
  planHash: createHash('sha256').update(String(dataVersion)).digest('hex'),
  epochs: purpose === 'evaluation' ? 0 : input.epochs,
  gpus: input.gpus,
  recovery: input.recovery,
  input,
});

/** Turns answers into activities that take time, send heartbeats and sometimes fail. */
function stubs(
  { random, failureRate, longestMs }: StubBehavior,
  answers: Record<string, (...args: never[]) => unknown>,
): Activities {
  const slow =
    (name: string, answer: (...args: never[]) => unknown) =>
    (...args: never[]): Promise<unknown> =>
      withHeartbeat(
        () => name,
        async () => {
          await currentProcess().sleep(random.between(5, longestMs));
          if (random.chance(failureRate)) throw new CodedError('StoreUnavailable', `${name}: simulated outage.`);
          return answer(...args);
        },
      );
  return Object.fromEntries(Object.entries(answers).map(([name, answer]) => [name, slow(name, answer)]));
}

export const createControlActivities = (behavior: StubBehavior): Activities =>
  withCodedFailures({
    ...stubs(behavior, {
      resolvePlan: (input: RunInput, purpose?: string) => planOf(input, purpose, behavior.dataVersion()),
      checkPlan: () => [],
      fetchDataset: () => miniDataset,
      fetchWeights: () => miniWeights,
      pinPlan: ({ plan }: { plan: RunPlan }) => plan,
      writeReport: () => aReport,
      writeComparison: () => ({
        uri: 'file:///comparison',
        sha256: 'a'.repeat(64),
        bytes: 1,
        winner: null,
        verdict: [],
      }),
      notify: () => undefined,
      recordFailure: () => undefined,
      recordCancellation: () => undefined,
    }),
    // Every second candidate passes.
    ...createRegistryActivities(
      dependenciesOf(behavior),
      (candidate) => candidate.charCodeAt(candidate.length - 1) % 2 === 0,
      behavior.onRegistryChanged,
    ),
    joinRun: createJoinRun(),
    watchVariants: createWatchVariants(5_000),
    stopVariant: createStopVariant(),
    sendTrigger,
    waitForRun,
  });

export function createGpuActivities(behavior: StubBehavior): Activities {
  const dependencies = dependenciesOf(behavior);
  return withCodedFailures({
    ...stubs(behavior, {
      checkMachine: () => [],
      exportDetector: () => aDetector,
    }),
    mirrorRun: createMirrorRun(dependencies),
    runTraining: createRunTraining(dependencies),
    joinTraining: createJoinTraining(dependencies),
    stopJobs: createStopJobs(dependencies),
    waitForSpace: createWaitForSpace(dependencies),
    waitForGpus: createWaitForGpus(dependencies),
    runTest: createRunTest(dependencies),
    publishCandidate: createPublishCandidate(dependencies, behavior.onRegistryChanged),
  });
}
