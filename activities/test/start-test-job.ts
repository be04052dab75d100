import { Context } from '@temporalio/activity';
import type { RunFolder } from '../../configs/paths.ts';
import type { FinishedRun } from '../mirror/mirror.ts';
import { prepareInputs } from '../inputs/prepare-inputs.ts';
import { writePlan } from '../shared/run/plan-file.ts';
import { listUsable, readGpuHealth } from '../shared/trainer/gpu-health.ts';
import type { GpuRequest } from '../shared/trainer/trainer-argv.ts';
import { startJob } from '../shared/trainer/start-job.ts';
import type { RunningJob } from '../shared/trainer/trainer-process.ts';
import type { TrainDependencies } from '../train/dependencies.ts';
import { testGpuRequest } from '../train/gpu-request.ts';
import { createGpuWaitReporter } from '../train/gpu-wait-reporter.ts';
import type { LaunchRequest } from '../train/training-request.ts';

export interface TestRequest extends FinishedRun, Pick<LaunchRequest, 'priority'> {}

interface TestLaunch {
  folder: RunFolder;
  fence: number;
  /** Path of the weights to test. */
  weights: string;
  onGpuWait: (text: string | null) => void;
}

/** Starts MMDetection's test loop under a supervisor. */
export async function startTestJob(
  dependencies: TrainDependencies,
  { plan, priority }: TestRequest,
  { folder, fence, weights, onGpuWait }: TestLaunch,
): Promise<RunningJob> {
  const { recipesFolder, python, programs, device } = dependencies;
  const { dataset } = await prepareInputs(dependencies, plan);
  await writePlan(folder, plan);
  const recipe = `${recipesFolder}/${plan.recipe.name}.py`;
  const files = { plan: folder.plan, recipe, data: dataset.root, tested: weights };
  const job = folder.test;
  const gpus = await fitTestToGpus(dependencies, testGpuRequest(dependencies, plan, priority));
  const program = programs.test(plan, files, job, device, gpus.count);
  const start = { job, python, program, fence, stall: plan.recovery.stallSeconds, gpus };
  return startJob(start, createGpuWaitReporter(onGpuWait));
}

/** Fits a test to the GPUs that are usable: its metrics do not depend on the number of ranks. */
async function fitTestToGpus(dependencies: TrainDependencies, request: GpuRequest): Promise<GpuRequest> {
  const health = await readGpuHealth(dependencies, { known: [] }, Context.current().cancellationSignal);
  if (health === undefined || health.gpus.length === 0) return request;
  const usable = listUsable(health);
  const without = health.gpus.map(({ uuid }) => uuid).filter((uuid) => !usable.includes(uuid));
  return { ...request, count: Math.max(1, Math.min(request.count, usable.length)), without };
}
