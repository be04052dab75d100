import { mkdir, writeFile } from 'node:fs/promises';
import { Predictions, type StageProgress } from '../../configs/schema/index.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';
import type { Device } from '../shared/trainer/trainer-argv.ts';
import { runTrainerCommand } from '../shared/trainer/trainer-command.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';
import { renderPredictions } from './render-predictions.ts';

interface PredictionRequest {
  python: PythonCommand;
  device: Device;
  gpus: { folder: string; foreignMib: number };
  /** The detector, as the user named it. */
  source: string;
  /** Folder of the detector. */
  detector: string;
  /** Files, folders, patterns and zip archives. */
  images: readonly string[];
  /** Lowest score of a detection. */
  score: number;
  /** Scratch folder on the disk of the results. */
  scratch: string;
  /** New folder for the results. */
  into: string;
  /** Sentence about the AP of the detector, if its model card states one. */
  quality: string | undefined;
  signal: AbortSignal;
  onStage: (line: StageProgress) => void;
}

/** Predicts images and writes COCO results, pictures and a gallery page. Leases a GPU if the device is one. */
export async function predict(request: PredictionRequest): Promise<Predictions> {
  const { python, device, gpus, source, detector, images, score, scratch, into, quality, signal, onStage } = request;
  await mkdir(into);
  const list = `${scratch}/images.json`;
  await writeFile(list, JSON.stringify(images));
  const predictions = await runTrainerCommand({
    python,
    signal,
    onStage,
    output: Predictions,
    argv: [
      ...['predict', '--detector', detector, '--images', list, '--score', String(score), '--into', into],
      // Others that wait for the GPU see the name of the folder above.
      ...['--device', device, '--job-dir', `${scratch}/predict/job`],
      ...['--gpu-folder', gpus.folder, '--foreign-mib', String(gpus.foreignMib)],
    ],
  });
  if (predictions.ok)
    await writeFileAtomic(`${into}/index.html`, renderPredictions({ source, score, quality, predictions }));
  return predictions;
}
