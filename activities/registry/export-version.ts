import { readdir, rm, writeFile } from 'node:fs/promises';
import { Analysis, ExportedWeights, Report } from '../../configs/schema/index.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { readJson } from '../shared/files/json-file.ts';
import { sha256OfFile } from '../shared/files/atomic-file.ts';
import { runTrainerCommand } from '../shared/trainer/trainer-command.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';
import { fetchVersionFiles, readVersion } from './versions.ts';

interface ExportRequest {
  store: ArtifactStore;
  model: string;
  id: string;
  python: PythonCommand;
  /** Empty folder that receives the exported files. */
  folder: string;
  signal: AbortSignal;
}

/** Exports weights (safetensors and MMDetection), config, metrics and checksums. @returns the lines of SHA256SUMS. */
export async function exportVersion({ store, model, id, python, folder, signal }: ExportRequest): Promise<string[]> {
  const version = await readVersion(store, model, id, { folder, signal });
  const names = [version.weights.file, 'report.json', 'analysis.json', 'index.html'];
  await fetchVersionFiles(store, version, names, { folder, signal });
  const report = await readJson(`${folder}/report.json`, Report);
  const analysis = await readJson(`${folder}/analysis.json`, Analysis);
  if (report === undefined || analysis === undefined)
    throw new CodedError('StoreDamaged', `Version ${id} of ${model} has no readable report. Publish the run again.`);
  await writeFile(`${folder}/config.py`, report.recipeText);
  const classes = analysis.classes.flatMap(({ name }) => ['--class', name]);
  const argv = ['export-weights', '--weights', `${folder}/${version.weights.file}`, '--into', `${folder}/${model}`];
  await runTrainerCommand({ python, signal, output: ExportedWeights, argv: [...argv, ...classes] });
  await rm(`${folder}/analysis.json`);
  const files = (await readdir(folder)).sort();
  const lines = await Promise.all(files.map(async (file) => `${await sha256OfFile(`${folder}/${file}`)}  ${file}`));
  await writeFile(`${folder}/SHA256SUMS`, `${lines.join('\n')}\n`);
  return lines;
}
