import { isDeepStrictEqual } from 'node:util';
import { Context } from '@temporalio/activity';
import { runFolder } from '../../configs/paths.ts';
import { EvalMetrics, type RunPlan, type TestResult, type TrainerEvent } from '../../configs/schema/index.ts';
import { isEvaluation } from '../../configs/schema/plan-weights.ts';
import type { TrainDependencies } from '../train/dependencies.ts';
import { followJob } from '../train/follow-job.ts';
import { prepareInputs, type TrainingInputs } from '../inputs/prepare-inputs.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { findBestCheckpoint } from '../shared/run/checkpoints.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { formatCrash } from '../train/failures/format-crash.ts';
import { acquireFence } from '../shared/run/fence.ts';
import { readJson } from '../shared/files/json-file.ts';
import { readLogTail } from '../shared/files/log-tail.ts';
import { ProgressReader, readProgress } from '../shared/run/progress-reader.ts';
import { cachedStep } from '../shared/steps/step-cache.ts';
import { gpusOnThisHost, testGpuRequest } from '../train/gpu-request.ts';
import { startJob } from '../shared/trainer/start-job.ts';
import { findLiveJob } from '../shared/trainer/trainer-process.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';
import { restoreFromStore } from '../mirror/mirror.ts';
import { createGpuWaitReporter } from '../train/gpu-wait-reporter.ts';

export interface TestRequest {
  plan: RunPlan;
  /** The run's: 3 unless given. */
  priority?: number | undefined;
}

/**
 * MMDetection's own test loop on the best checkpoint, or on the weights of an evaluation. Tried again by Temporal: a test that is running is adopted, and the
 * trainer does not repeat inference whose detections are on disk.
 */
export const createRunTest =
  (dependencies: TrainDependencies) =>
  (request: TestRequest): Promise<TestResult> => {
    let images = { done: 0, total: 0 };
    let waiting: string | null = null;
    const listeners: Listeners = { onTested: (tested) => (images = tested), onWaiting: (text) => (waiting = text) };
    return withHeartbeat(
      () => waiting ?? images,
      () => testDetector(dependencies, request, listeners),
    );
  };

interface Listeners {
  onTested: (images: { done: number; total: number }) => void;
  /** For whom it waits, before it has its GPUs. */
  onWaiting: (text: string | null) => void;
}

/** What is tested: a file, and its name in the metrics. */
interface Tested {
  path: string;
  file: string;
  sha256: string;
}

async function testDetector(
  dependencies: TrainDependencies,
  { plan, priority }: TestRequest,
  listeners: Listeners,
): Promise<TestResult> {
  const { home } = dependencies;
  const folder = runFolder(home, plan.runId);
  const material = isEvaluation(plan) ? await prepareInputs(dependencies, plan) : undefined;
  const tested = material === undefined ? await findBest(dependencies, plan) : testedWeights(material);
  const { output, outcome } = await cachedStep({
    home,
    step: 'test',
    subject: plan.runId,
    fresh: plan.input.fresh,
    output: EvalMetrics,
    fields: {
      'checkpoint sha256': tested.sha256,
      'data set': plan.dataset.contentKey,
      plan: plan.planHash,
      'trainer code': plan.versions.trainerCode,
      'tools (trainer lock)': plan.versions.trainerLock,
    },
    findDamage: async (done) =>
      isDeepStrictEqual(await readJson(folder.metrics, EvalMetrics), done) ? undefined : 'metrics.json is not that one',
    work: () => runTestJob(dependencies, { plan, priority }, tested, listeners),
  });
  return { ...output, outcome };
}

async function findBest(dependencies: TrainDependencies, plan: RunPlan): Promise<Tested> {
  const { train } = runFolder(dependencies.home, plan.runId);
  await restoreFromStore(dependencies, plan, null);
  const best = await findBestCheckpoint(train, plan.planHash, await readProgress(train.progress));
  if (best === undefined)
    throw new CodedError('TrainerNoProgress', `There is no whole checkpoint in ${train.checkpoints} to test.`);
  const { path, manifest } = best;
  return { path, file: manifest.file, sha256: manifest.sha256 };
}

const testedWeights = ({ weights: { path, converted } }: TrainingInputs): Tested => ({ path, ...converted });

async function runTestJob(
  dependencies: TrainDependencies,
  { plan, priority }: TestRequest,
  tested: Tested,
  { onTested, onWaiting }: Listeners,
): Promise<EvalMetrics> {
  const { home, recipesFolder, python, programs, device } = dependencies;
  const folder = runFolder(home, plan.runId);
  const job = folder.test;
  const fence = await acquireFence(job);
  const startTest = async () => {
    const { dataset } = await prepareInputs(dependencies, plan);
    await writeFileAtomic(folder.plan, JSON.stringify(plan, null, 2));
    const recipe = `${recipesFolder}/${plan.recipe.name}.py`;
    const files = { plan: folder.plan, recipe, data: dataset.root, tested: tested.path };
    const program = programs.test(plan, files, job, device, gpusOnThisHost(dependencies, plan));
    const gpus = testGpuRequest(dependencies, plan, priority);
    const waiting = createGpuWaitReporter(onWaiting);
    return startJob({ job, python, program, fence, stall: plan.recovery.stallSeconds, gpus }, waiting);
  };
  const running = (await findLiveJob(job)) ?? (await startTest());
  const onEvents = (events: TrainerEvent[]) => {
    for (const event of events) if (event.type === 'tested') onTested({ done: event.done, total: event.total });
  };
  const progress = new ProgressReader(job.progress);
  const ending = await dependencies.gpus.withGpusHeld(() => followJob({ job, running, fence, progress, onEvents }));
  Context.current().cancellationSignal.throwIfAborted(); // there are no metrics to return
  const metrics = await readJson(folder.metrics, EvalMetrics);
  if ('exit' in ending && ending.exit.reason === 'finished' && metrics?.checkpointSha256 === tested.sha256) {
    return metrics;
  }
  const how = 'exit' in ending ? formatCrash(ending.exit) : 'Its supervisor was killed.';
  const tail = (await readLogTail(job, 20)).join('\n');
  throw new CodedError(
    'TrainerCommandFailed',
    `The test of ${tested.file} ended without metrics. ${how} Log: ${job.log}\n${tail}`,
  );
}
