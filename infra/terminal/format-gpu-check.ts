import type { GpuCheck } from '../../configs/schema/index.ts';

/** Formats the results of `everswin gpu-check`: a table with a row per variant, then notes. */
export function formatGpuCheck(check: GpuCheck): string {
  const { projection, variants } = check;
  const head = [
    '',
    's/step p50',
    'p95',
    'images/s',
    'peak GB',
    `h, ${projection.epochs} epochs`,
    'loss diff mean',
    'max',
  ];
  const rows = [head, ...variants.map(formatRow)];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => pad(cell, widths[column] ?? 0, column))
      .join('  ')
      .trimEnd(),
  );
  return [...lines, '', ...formatNotes(check)].join('\n');
}

type Variant = GpuCheck['variants'][number];

function formatRow({ name, measured }: Variant): string[] {
  if (measured === null) return [name, 'failed'];
  const { secondsPerStep, imagesPerSecond, peakMemoryMib, projectedHours, lossDifference } = measured;
  return [
    name,
    secondsPerStep.p50.toFixed(3),
    secondsPerStep.p95.toFixed(3),
    imagesPerSecond.toFixed(2),
    peakMemoryMib === null ? '–' : ((peakMemoryMib * 2 ** 20) / 1e9).toFixed(1),
    projectedHours.toFixed(1),
    ...(lossDifference === null
      ? ['–', '–']
      : [lossDifference.mean, lossDifference.max].map((one) => one.toPrecision(2))),
  ];
}

/** Aligns text to the left and numbers to the right. */
const pad = (cell: string, width: number, column: number): string =>
  column === 0 ? cell.padEnd(width) : cell.padStart(width);

function formatNotes({ projection, batchPerGpu, gpus, iterations, warmUp, variants }: GpuCheck): string[] {
  const syncNote =
    projection.gpus === gpus ? '' : ` Communication between ${projection.gpus} GPUs is not included: ${gpus} measured.`;
  const batch = projection.gpus * batchPerGpu;
  return [
    ...variants.map(
      ({ name, switches, loaderWorkers }) =>
        `${name}: ${switches.join(', ') || 'no switches'}; ${loaderWorkers} loader workers per GPU`,
    ),
    `Measured: steps ${warmUp + 1} to ${iterations} with ${gpus} x ${batchPerGpu} images.`,
    `Projected hours: ${projection.stepsPerEpoch} steps per epoch on ${projection.gpus} GPUs (batch ${batch}), without validation.${syncNote}`,
    ...formatNoise(variants),
    ...variants.flatMap(({ name, measured }) => formatGpuInUse(name, measured?.memoryInUseMib ?? 0)),
    ...variants.flatMap(({ error }) => (error === null ? [] : ['', error])),
  ];
}

function formatNoise(variants: readonly Variant[]): string[] {
  const noise = variants.find(({ name }) => name === 'stock again')?.measured?.lossDifference;
  if (noise == null) return [];
  return [
    `The losses of two stock runs differ by ${noise.mean.toPrecision(2)} on average. Smaller loss differences are noise.`,
  ];
}

/** A CUDA context alone takes a few hundred MiB. */
const otherProcessesMib = 2048;

const formatGpuInUse = (name: string, inUseMib: number): string[] =>
  inUseMib > otherProcessesMib
    ? [
        `${name}: ${Math.round(inUseMib)} MiB of GPU memory were in use before the measurement. Another process may have slowed it down.`,
      ]
    : [];
