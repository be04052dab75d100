import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ExportedDetector, type DetectorSpec } from '../../configs/schema/index.ts';
import { withScratchFolder } from '../shared/files/scratch-folder.ts';
import { runTrainerCommand } from '../shared/trainer/trainer-command.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';
import { renderModelCard, type ModelCardFacts } from './model-card.ts';

export interface DetectorExport extends ModelCardFacts {
  python: PythonCommand;
  /** Python module that has the command `export-detector`. */
  module: string;
  /** Path of the recipe. */
  recipe: string;
  /** Path of a checkpoint or of converted weights. */
  weights: string;
  /** Ids of the classes, or the path of annotations that have them. Null counts them from 1. */
  categories: { ids: number[] } | { annotations: string } | null;
  /** Folder to write. An earlier one is replaced. */
  into: string;
  signal: AbortSignal;
}

/** Writes a detector's folder for MMDetection. Equal weights and facts give equal files. */
export async function exportDetector(request: DetectorExport): Promise<ExportedDetector> {
  const { python, module, recipe, weights, classes, categories, into, signal, plan } = request;
  const spec: DetectorSpec = {
    v: 1,
    title: `Detector of the run ${plan.runId}, written by everswin`,
    recipe,
    weights,
    classes: [...classes],
    categoryIds: categories !== null && 'ids' in categories ? categories.ids : null,
    annotations: categories !== null && 'annotations' in categories ? categories.annotations : null,
    card: renderModelCard(request),
  };
  return withScratchFolder(dirname(into), async (folder) => {
    const specFile = `${folder}/spec.json`;
    await writeFile(specFile, JSON.stringify(spec));
    const argv = ['export-detector', '--spec', specFile, '--into', into];
    return runTrainerCommand({ python, module, argv, signal, output: ExportedDetector });
  });
}
