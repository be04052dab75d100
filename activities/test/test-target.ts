import { runFolder } from '../../configs/paths.ts';
import { isEvaluation } from '../../configs/schema/plan-weights.ts';
import { prepareInputs } from '../inputs/prepare-inputs.ts';
import { restoreFromStore, type FinishedRun } from '../mirror/mirror.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { findBestCheckpoint, requireTrained } from '../shared/run/checkpoints.ts';
import { readWithoutSteps } from '../shared/run/progress-reader.ts';
import type { TrainDependencies } from '../train/dependencies.ts';

/** The weights that a test evaluates. */
export interface TestTarget {
  path: string;
  /** File name in the metrics. */
  file: string;
  sha256: string;
}

/**
 * Returns the best checkpoint of the run, or the given weights of an evaluation.
 * @throws CodedError CheckpointsLost when the last checkpoint is missing: it may be the best one.
 */
export async function findTestTarget(
  dependencies: TrainDependencies,
  { plan, trained }: FinishedRun,
): Promise<TestTarget> {
  if (isEvaluation(plan)) {
    const { weights } = await prepareInputs(dependencies, plan);
    return { path: weights.path, ...weights.converted };
  }
  await restoreFromStore(dependencies, plan, null);
  const { train } = runFolder(dependencies.home, plan.runId);
  await requireTrained(train, plan.planHash, trained);
  const best = await findBestCheckpoint(train, plan.planHash, await readWithoutSteps(train.progress));
  if (best === undefined) {
    throw new CodedError('CheckpointsLost', `${train.checkpoints} contains no intact checkpoint to test.`);
  }
  return { path: best.path, file: best.manifest.file, sha256: best.manifest.sha256 };
}
