import { readFile, writeFile } from 'node:fs/promises';
import { Analysis, Report } from '../../configs/schema/index.ts';
import { exportDetector } from '../detector/export-detector.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { readJson } from '../shared/files/json-file.ts';
import { trainerModule } from '../shared/trainer/trainer-command.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';
import { fetchVersionFiles, readVersion } from './versions.ts';

interface ExportRequest {
  store: ArtifactStore;
  model: string;
  id: string;
  python: PythonCommand;
  /** Scratch folder. */
  folder: string;
  /** Folder to write. */
  into: string;
  signal: AbortSignal;
}

/** Writes the detector of a version: the same files that its run left. @returns the lines of SHA256SUMS. */
export async function exportVersion(request: ExportRequest): Promise<string[]> {
  const { store, model, id, python, folder, into, signal } = request;
  const version = await readVersion(store, model, id, { folder, signal });
  const names = [version.weights.file, 'report.json', 'analysis.json'];
  await fetchVersionFiles(store, version, names, { folder, signal });
  const report = await readJson(`${folder}/report.json`, Report);
  const analysis = await readJson(`${folder}/analysis.json`, Analysis);
  if (report === undefined || analysis === undefined)
    throw new CodedError('StoreDamaged', `Version ${id} of ${model} has no readable report. Publish the run again.`);
  const recipe = `${folder}/recipe.py`;
  await writeFile(recipe, report.recipeText);
  const { plan, metrics, environment, detector } = report;
  await exportDetector({
    python,
    module: trainerModule,
    recipe,
    weights: `${folder}/${version.weights.file}`,
    classes: detector?.classes ?? analysis.classes.map(({ name }) => name),
    categories: detector === undefined ? null : { ids: detector.categoryIds },
    into,
    signal,
    plan,
    metrics,
    environment,
  });
  return (await readFile(`${into}/SHA256SUMS`, 'utf8')).trimEnd().split('\n');
}
