import type { GpuCheck } from '../../configs/schema/index.ts';

/** Formats the results of `everswin gpu-check`: two tables with a row per variant, then notes. */
export function formatGpuCheck(check: GpuCheck): string {
  const { projection, variants } = check;
  const speedHead = ['', 'speedup', 'spread', 's/step p50', 'p95', 'images/s', 'MFU', `h, ${projection.epochs} epochs`];
  const stepHead = ['', 'peak GB', 'reserved', 'launches', 'syncs', 'idle', 'wait s', 'loss diff mean', 'max'];
  return [
    ...formatTable([speedHead, ...variants.map(formatSpeed)]),
    '',
    ...formatTable([stepHead, ...variants.map(formatStep)]),
    '',
    ...formatNotes(check),
  ].join('\n');
}

type Variant = GpuCheck['variants'][number];

function formatSpeed({ name, measured }: Variant): string[] {
  if (measured === null) return [name, 'failed'];
  const { speedup, secondsPerStep, imagesPerSecond, mfu, projectedHours } = measured;
  return [
    name,
    ...(speedup === null
      ? ['1', '–']
      : [speedup.mean.toFixed(2), `${speedup.min.toFixed(2)}–${speedup.max.toFixed(2)}`]),
    secondsPerStep.p50.toFixed(3),
    secondsPerStep.p95.toFixed(3),
    imagesPerSecond.toFixed(2),
    formatIfKnown(mfu, formatPercent),
    projectedHours.toFixed(1),
  ];
}

function formatStep({ name, measured }: Variant): string[] {
  if (measured === null) return [name, 'failed'];
  const { peakMemoryMib, reservedMemoryMib, kernelLaunches, streamSyncs, idleShare, dataSeconds } = measured;
  return [
    name,
    formatIfKnown(peakMemoryMib, (mib) => ((mib * 2 ** 20) / 1e9).toFixed(1)),
    formatIfKnown(reservedMemoryMib, (mib) => ((mib * 2 ** 20) / 1e9).toFixed(1)),
    formatIfKnown(kernelLaunches, (launches) => launches.toFixed(0)),
    formatIfKnown(streamSyncs, (syncs) => syncs.toFixed(0)),
    formatIfKnown(idleShare, formatPercent),
    dataSeconds.toFixed(3),
    formatIfKnown(measured.lossDifference, ({ mean }) => mean.toPrecision(2)),
    formatIfKnown(measured.lossDifference, ({ max }) => max.toPrecision(2)),
  ];
}

const formatIfKnown = <T>(value: T | null, format: (known: T) => string): string =>
  value === null ? '–' : format(value);

const formatPercent = (share: number): string => `${(share * 100).toFixed(0)} %`;

function formatTable(rows: string[][]): string[] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => pad(cell, widths[column] ?? 0, column))
      .join('  ')
      .trimEnd(),
  );
}

/** Aligns text to the left and numbers to the right. */
const pad = (cell: string, width: number, column: number): string =>
  column === 0 ? cell.padEnd(width) : cell.padStart(width);

function formatNotes(check: GpuCheck): string[] {
  const { projection, batchPerGpu, gpus, variants } = check;
  const syncNote =
    projection.gpus === gpus ? '' : ` Communication between ${projection.gpus} GPUs is not included: ${gpus} measured.`;
  const batch = projection.gpus * batchPerGpu;
  return [
    ...variants.map(
      ({ name, switches, loaderWorkers }) =>
        `${name}: ${switches.join(', ') || 'no switches'}; ${loaderWorkers} loader workers per GPU`,
    ),
    ...formatSteps(check),
    ...formatPositives(variants),
    ...formatFlops(variants),
    `Projected hours: ${projection.stepsPerEpoch} steps per epoch on ${projection.gpus} GPUs (batch ${batch}), without validation.${syncNote}`,
    ...formatNoise(variants),
    ...formatGpuInUse(check.memoryInUseMib ?? 0),
    ...variants.flatMap(({ name, error }) => (error === null ? [] : ['', `${name}: ${error}`])),
  ];
}

/** Lists the measured steps of each variant, and says where the time was over before the requested ones. */
function formatSteps({
  iterations,
  rounds,
  warmUp,
  limitSeconds,
  seconds,
  gpus,
  batchPerGpu,
  variants,
}: GpuCheck): string[] {
  const requested = rounds * (iterations - warmUp);
  const counts = variants.map(({ name, measured }) => {
    const steps = (measured?.rounds ?? []).reduce((sum, round) => sum + Math.max(0, round.seconds.length - warmUp), 0);
    return { name, steps };
  });
  const missing = counts.some(({ steps }) => steps < requested)
    ? ` ${requested} were requested: the time was over. Pass more --minutes for more steps.`
    : '';
  return [
    `Measured after ${warmUp} warm-up steps in each of ${rounds} rounds, with ${gpus} x ${batchPerGpu} images: ${counts.map(({ name, steps }) => `${name} ${steps} steps`).join(', ')}.${missing}`,
    `Took ${Math.round(seconds)} s of at most ${Math.round(limitSeconds)} s.`,
  ];
}

function formatPositives(variants: readonly Variant[]): string[] {
  const positives = variants.find(({ measured }) => measured !== null)?.measured?.positives;
  if (positives === undefined) return [];
  return [
    `Positive boxes per image: ${positives.map((count) => count.toFixed(0)).join(', ')} in the cascade stages. Jittered objects among the proposals stand in for a trained detector.`,
  ];
}

function formatFlops(variants: readonly Variant[]): string[] {
  const teraflop = variants.find(({ measured }) => measured !== null)?.measured?.teraflopPerStep;
  return teraflop == null
    ? []
    : [`A step takes ${teraflop.toPrecision(3)} TFLOP per GPU. MFU is its share of the GPU's peak.`];
}

function formatNoise(variants: readonly Variant[]): string[] {
  const noise = variants.find(({ name }) => name === 'stock')?.measured?.lossDifference;
  if (noise == null) return [];
  return [
    `The losses of two stock trainings differ by ${noise.mean.toPrecision(2)} on average. Smaller loss differences are noise.`,
  ];
}

/** A CUDA context alone takes a few hundred MiB. */
const otherProcessesMib = 2048;

const formatGpuInUse = (inUseMib: number): string[] =>
  inUseMib > otherProcessesMib
    ? [
        `${Math.round(inUseMib)} MiB of GPU memory were in use before the measurement. Another process may have slowed it down.`,
      ]
    : [];
