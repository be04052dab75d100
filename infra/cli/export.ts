import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { exportOnnx } from '../../activities/detector/export-onnx.ts';
import { withScratchFolder } from '../../activities/shared/files/scratch-folder.ts';
import { formatBytes } from '../../activities/shared/summary/format-bytes.ts';
import { formatPlural } from '../../activities/shared/summary/format-time.ts';
import type { OnnxExport } from '../../configs/schema/index.ts';
import { createDependencies } from '../../workers/dependencies.ts';
import { createProgressBar } from '../terminal/progress-bar.ts';
import { UsageError } from '../terminal/program.ts';
import { runInterruptible } from '../terminal/wait-for-interrupt.ts';
import { findDetector, nameResults } from './find-detector.ts';

interface ExportOptions {
  format: 'onnx';
  out?: string | undefined;
  size?: string | undefined;
  images?: string | undefined;
  store: string;
}

/** Exports a detector as ONNX, and prints how far onnxruntime and MMDetection differ. */
export async function exportDetector(source: string, options: ExportOptions): Promise<void> {
  const target = resolve(options.out ?? `${nameResults(source)}.${options.format}`);
  if (existsSync(target)) throw new UsageError(`${target} exists already. Name a new file with --out.`);
  const { home, python, openStore } = createDependencies('cpu');
  const progress = createProgressBar(process.stdout);
  const exported = await runInterruptible((signal) =>
    // Next to the target, so that one rename makes the compared file appear.
    withScratchFolder(dirname(target), async (scratch) => {
      const store = openStore(options.store);
      const detector = await findDetector(source, { home, store, python, scratch, signal });
      const { size, images } = options;
      const into = `${scratch}/model.onnx`;
      const onStage = progress.show;
      const request = { home, python, detector, size, images, into, signal, onStage };
      const answer = await exportOnnx(request).finally(progress.clear);
      if (!answer.ok) throw new UsageError(answer.problem);
      await rename(into, target);
      return answer;
    }),
  );
  console.log(formatExport(exported).join('\n'));
  console.log(`ONNX      ${target} (${formatBytes(exported.bytes)})`);
}

type Exported = Extract<OnnxExport, { ok: true }>;

function formatExport({ input, fit, pictures, images, detections, largest }: Exported): string[] {
  const size = ({ width, height }: Exported['input']) => `${width}x${height}`;
  const compared = formatPlural(
    images,
    { validation: 'validation image', named: 'image', random: 'random picture' }[pictures],
  );
  const [scores, boxes, masks] = [largest.scores, largest.boxes, largest.masks].map((value) => value.toExponential(1));
  return [
    `Input     ${size(input)} pixels (width x height): pictures are resized to fit ${size(fit)}, and padded`,
    detections === 0
      ? `Compared  ${compared}: MMDetection and onnxruntime find nothing in them. Name images that show your objects with --images.`
      : `Compared  ${compared} with ${formatPlural(detections, 'detection')}: onnxruntime differs from MMDetection by at most ${scores} in scores, ${boxes} pixels in boxes, ${masks} in mask probabilities`,
  ];
}
