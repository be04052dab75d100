import { pathToFileURL } from 'node:url';
import { Context } from '@temporalio/activity';
import { z } from 'zod';
import { objectKeys } from '../../configs/names.ts';
import { runFolder } from '../../configs/paths.ts';
import type { DetectorRef, EvalMetrics } from '../../configs/schema/index.ts';
import { flushMirror, type FinishedRun } from '../mirror/mirror.ts';
import { exportDetector } from '../detector/export-detector.ts';
import { prepareInputs } from '../inputs/prepare-inputs.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { readJson } from '../shared/files/json-file.ts';
import { readWithoutSteps } from '../shared/run/progress-reader.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import type { TrainDependencies } from '../train/dependencies.ts';
import { findTestTarget } from './test-target.ts';

interface DetectorRequest extends FinishedRun {
  /** Metrics of the weights to export. */
  metrics: EvalMetrics;
  /** Changes of the code between the attempts of the run, for the model card. */
  codeChanges?: string | undefined;
}

/** Writes the tested weights as a folder that MMDetection loads without everswin. Idempotent. */
export const createExportDetector =
  (dependencies: TrainDependencies) =>
  (request: DetectorRequest): Promise<DetectorRef> =>
    withHeartbeat(
      () => 'writing the detector',
      () => exportTested(dependencies, request),
    );

/** Part of dataset.json. */
const PreparedClasses = z.object({
  classes: z.array(z.string()),
  splits: z.object({ val: z.object({ annotations: z.string() }) }),
});

async function exportTested(dependencies: TrainDependencies, request: DetectorRequest): Promise<DetectorRef> {
  const { plan, metrics } = request;
  const { home, recipesFolder, python, programs, openStore } = dependencies;
  const target = await findTestTarget(dependencies, request);
  if (target.sha256 !== metrics.checkpointSha256)
    throw new CodedError(
      'CheckpointsLost',
      `${metrics.checkpoint} was tested, but is not intact any more; ${target.file} is. Start the run again to test it.`,
    );
  const { dataset } = await prepareInputs(dependencies, plan);
  const prepared = await readJson(`${dataset.root}/dataset.json`, PreparedClasses);
  const folder = runFolder(home, plan.runId);
  const started = (await readWithoutSteps(folder.train.progress)).findLast((event) => event.type === 'started');
  const classes = prepared?.classes ?? [];
  const into = folder.detector;
  const exported = await exportDetector({
    python,
    module: programs.module,
    recipe: `${recipesFolder}/${plan.recipe.name}.py`,
    weights: target.path,
    classes,
    categories: prepared === undefined ? null : { annotations: `${dataset.root}/${prepared.splits.val.annotations}` },
    into,
    signal: Context.current().cancellationSignal,
    plan,
    metrics,
    environment: started?.versions ?? {},
    codeChanges: request.codeChanges,
  });
  const { store } = plan.input.artifacts;
  // Another machine may send the rest of the run; this one has the detector.
  if (store !== 'local') await flushMirror(dependencies, request, () => undefined);
  const uri =
    store === 'local' ? pathToFileURL(into).href : `${openStore(store).address}/${objectKeys.detector(plan.runId)}`;
  return { uri, path: into, classes, categoryIds: exported.categoryIds, files: exported.files };
}
