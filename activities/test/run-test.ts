import { isDeepStrictEqual } from 'node:util';
import { runFolder } from '../../configs/paths.ts';
import { testedBy } from '../../configs/trainer-versions.ts';
import { EvalMetrics, TestedMetrics, type TestResult } from '../../configs/schema/index.ts';
import { readJson } from '../shared/files/json-file.ts';
import { codeFields } from '../shared/steps/code-fields.ts';
import { cachedStep } from '../shared/steps/step-cache.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import type { TrainDependencies } from '../train/dependencies.ts';
import { runTestJob, type TestListeners } from './run-test-job.ts';
import type { TestRequest } from './start-test-job.ts';
import { findTestTarget } from './test-target.ts';

/**
 * Runs MMDetection's test loop on the best checkpoint, or on the weights of an evaluation. Temporal may retry it: a
 * running test is adopted, and the trainer skips images whose detections are on disk.
 */
export const createRunTest =
  (dependencies: TrainDependencies) =>
  (request: TestRequest): Promise<TestResult> => {
    let images = { done: 0, total: 0 };
    let gpuWait: string | null = null;
    const listeners: TestListeners = {
      onTested: (tested) => (images = tested),
      onGpuWait: (text) => (gpuWait = text),
    };
    return withHeartbeat(
      () => gpuWait ?? images,
      () => testDetector(dependencies, request, listeners),
    );
  };

async function testDetector(
  dependencies: TrainDependencies,
  request: TestRequest,
  listeners: TestListeners,
): Promise<TestResult> {
  const { home } = dependencies;
  const { plan } = request;
  const { metrics } = runFolder(home, plan.runId);
  const target = await findTestTarget(dependencies, request);
  const { output, outcome } = await cachedStep({
    home,
    step: 'test',
    subject: plan.runId,
    fresh: plan.input.fresh,
    output: TestedMetrics,
    fields: {
      'checkpoint sha256': target.sha256,
      'data set': plan.dataset.contentKey,
      plan: plan.planHash,
      ...codeFields(plan.versions, testedBy),
    },
    findDamage: async (cached) => {
      const isSame = isDeepStrictEqual(await readJson(metrics, EvalMetrics), EvalMetrics.parse(cached));
      return isSame ? undefined : 'metrics.json contains other metrics';
    },
    work: () => runTestJob(dependencies, request, target, listeners),
  });
  return { ...output, outcome };
}
