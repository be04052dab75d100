import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { OnnxExport, RunReferences, type StageProgress } from '../../configs/schema/index.ts';
import { readJson } from '../shared/files/json-file.ts';
import { runTrainerCommand } from '../shared/trainer/trainer-command.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';

interface OnnxRequest {
  home: string;
  python: PythonCommand;
  /** Folder of the detector. */
  detector: string;
  /** Input size as WIDTHxHEIGHT; by default that of the test pipeline. */
  size?: string | undefined;
  /** File, folder, pattern or zip archive with images for the comparison. */
  images?: string | undefined;
  /** The new file. It may exist if the answer is not ok. */
  into: string;
  signal: AbortSignal;
  onStage: (line: StageProgress) => void;
}

/** Exports a detector as ONNX and compares it with MMDetection, on the validation images of its run if they are here. */
export async function exportOnnx(request: OnnxRequest): Promise<OnnxExport> {
  const { home, python, detector, size, images, into, signal, onStage } = request;
  const data = await findData(home, detector);
  return runTrainerCommand({
    python,
    signal,
    onStage,
    output: OnnxExport,
    argv: [
      ...['export-onnx', '--detector', detector, '--into', into],
      ...(size === undefined ? [] : ['--size', size]),
      ...(images === undefined ? [] : ['--images', images]),
      ...(data === undefined ? [] : ['--data', data]),
    ],
  });
}

/** Returns the prepared data of the run that a detector belongs to. */
async function findData(home: string, detector: string): Promise<string | undefined> {
  const run = runFolder(home, basename(dirname(detector)));
  if (run.detector !== detector) return undefined;
  const folders = (await readJson(run.references, RunReferences))?.datasets.map(homeFolders(home).dataset);
  return folders?.find((folder) => existsSync(folder));
}
