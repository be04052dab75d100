import type { GpuCheck } from '../../configs/schema/index.ts';

/** For a terminal: a line each variant, then what the figures mean. */
export function formatGpuCheck(check: GpuCheck): string {
  const { projection, variants } = check;
  const head = [
    '',
    's/step p50',
    'p95',
    'images/s',
    'peak GB',
    `h, ${projection.epochs} epochs`,
    'loss differs',
    'most',
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

/** Words to the left, numbers to the right. */
const pad = (cell: string, width: number, column: number): string =>
  column === 0 ? cell.padEnd(width) : cell.padStart(width);

function formatNotes({ projection, batchPerGpu, gpus, iterations, warmUp, variants }: GpuCheck): string[] {
  const batch = projection.gpus * batchPerGpu;
  return [
    ...variants.map(
      ({ name, switches, loaderWorkers }) =>
        `${name}: ${switches.join(', ') || 'no switch'}; ${loaderWorkers} loader processes a GPU`,
    ),
    `Steps ${warmUp + 1} to ${iterations} on ${gpus} x ${batchPerGpu} images. Hours: ${projection.stepsPerEpoch} steps an epoch on ${projection.gpus} GPUs (batch ${batch}), without validation; what GPUs wait for one another is in it only if as many were measured.`,
    ...formatNoise(variants),
    ...variants.flatMap(({ name, measured }) => formatGpuInUse(name, measured?.memoryInUseMib ?? 0)),
    ...variants.flatMap(({ error }) => (error === null ? [] : ['', error])),
  ];
}

function formatNoise(variants: readonly Variant[]): string[] {
  const noise = variants.find(({ name }) => name === 'stock again')?.measured?.lossDifference;
  if (noise == null) return [];
  return [
    `Two runs of stock differ by ${noise.mean.toPrecision(2)} in the mean: what is no more than that is no difference.`,
  ];
}

/** A CUDA context alone takes some hundred MiB. */
const foreignMib = 2048;

const formatGpuInUse = (name: string, inUseMib: number): string[] =>
  inUseMib > foreignMib
    ? [`${name}: ${Math.round(inUseMib)} MiB of the GPU were in use before it began; is somebody else on it?`]
    : [];
