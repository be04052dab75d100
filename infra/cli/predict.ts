import { existsSync } from 'node:fs';
import { readdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { formatCardScores } from '../../activities/detector/model-card.ts';
import { predict as predictImages } from '../../activities/detector/predict.ts';
import { summarizePredictions } from '../../activities/detector/render-predictions.ts';
import { replaceControlCharacters } from '../../activities/report/components/markup.ts';
import { ignoreMissing } from '../../activities/shared/files/ignore-missing.ts';
import { withScratchFolder } from '../../activities/shared/files/scratch-folder.ts';
import { createDependencies } from '../../workers/dependencies.ts';
import { chooseDevice } from '../stack/device.ts';
import { createProgressBar } from '../terminal/progress-bar.ts';
import { fail, UsageError } from '../terminal/program.ts';
import { runInterruptible } from '../terminal/wait-for-interrupt.ts';
import { findDetector, nameResults } from './find-detector.ts';

interface PredictOptions {
  out?: string | undefined;
  /** Lowest score of a detection. */
  score: number;
  device?: 'cpu' | 'cuda' | undefined;
  store: string;
}

/** Predicts images with a detector, and writes COCO results, pictures and a gallery page. */
export async function predict(source: string, images: string[], options: PredictOptions): Promise<void> {
  const target = options.out === undefined ? await nameNewFolder(source) : resolve(options.out);
  if (await holdsFiles(target)) throw new UsageError(`${target} exists already. Name a new folder with --out.`);
  const device = options.device ?? chooseDevice();
  const { home, python, gpus, openStore } = createDependencies(device);
  const progress = createProgressBar(process.stdout);
  const { predictions, quality } = await runInterruptible((signal) =>
    // Next to the target, so that one rename makes the finished results appear.
    withScratchFolder(dirname(target), async (scratch) => {
      const store = openStore(options.store);
      const detector = await findDetector(source, { home, store, python, scratch, signal });
      const into = `${scratch}/results`;
      const { score } = options;
      const quality = formatCardScores((await ignoreMissing(readFile(`${detector}/MODEL_CARD.md`, 'utf8'))) ?? '');
      const onStage = progress.show;
      const request = {
        python,
        device,
        gpus,
        source,
        detector,
        images,
        score,
        scratch,
        into,
        quality,
        signal,
        onStage,
      };
      const found = await predictImages(request).finally(progress.clear);
      if (!found.ok) throw new UsageError(replaceControlCharacters(found.problem));
      await rename(into, target);
      return { predictions: found, quality };
    }),
  );
  console.log(`${summarizePredictions(predictions)}. Detections have a score of at least ${options.score}.`);
  if (quality !== undefined) console.log(quality);
  if (predictions.skipped.length > 0)
    fail(
      [
        'Skipped:',
        ...predictions.skipped.map(({ file, reason }) => `- ${replaceControlCharacters(file)} ${reason}`),
      ].join('\n'),
    );
  console.log(`Results   ${target}/results.json\nPictures  ${target}/pictures\nGallery   ${target}/index.html`);
}

/** Returns whether a path is a file or a folder that is not empty. */
async function holdsFiles(path: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  return !(await stat(path)).isDirectory() || (await readdir(path)).length > 0;
}

/** Returns `predictions-<source>` in the current folder, with a number if it exists. */
async function nameNewFolder(source: string): Promise<string> {
  const base = resolve(`predictions-${nameResults(source)}`);
  for (let number = 1; ; number += 1) {
    const folder = number === 1 ? base : `${base}-${number}`;
    if (!(await holdsFiles(folder))) return folder;
  }
}
