/** Formats facts that the HTML and the Markdown page share. */
import type {
  Attempt,
  DatasetUse,
  Decision,
  EpochHashes,
  Report,
  TimelineEvent,
} from '../../../configs/schema/index.ts';
import { isEvaluation, startingWeights } from '../../../configs/schema/plan-weights.ts';
import { maximum, minimum } from '../components/axis.ts';
import { formatTrainedEpochs } from '../../shared/summary/format-epochs.ts';
import { formatImages, listSpeed } from '../../shared/summary/format-speed.ts';
import { formatCount, formatDuration, formatInstant, formatPlural } from '../../shared/summary/format-time.ts';

/** Returns the origin of the timeline in Unix seconds: the start of the run or its earliest event. */
export const findStart = ({ createdAt, seconds, timeline, attempts }: Report): number =>
  minimum([createdAt - seconds.total, ...timeline.map(({ at }) => at), ...attempts.map((one) => one.startedAt)]);

/** Formats `36 epochs on 4 GPUs · 3 d 14 h in total, 3 d 11 h of training · finished 2026-08-14 09:31 UTC`. */
export function summarizeRun(report: Report): string {
  const { plan, seconds, createdAt } = report;
  const total = `${formatDuration(seconds.total)} in total`;
  return [
    ...(isEvaluation(plan)
      ? [`evaluated on ${formatDevices(report)}, no training`, total]
      : [
          `${formatTrainedEpochs(report)} on ${formatDevices(report)}`,
          `${total}, ${formatDuration(seconds.training)} of training`,
        ]),
    `finished ${formatInstant(createdAt)}`,
  ].join(' · ');
}

/** Formats the devices of a run: `4 GPUs`, or `2 CPU ranks` for a run without GPUs. */
export const formatDevices = ({ plan, environment }: Report): string =>
  formatPlural(plan.gpus, environment['device'] === 'cpu' ? 'CPU rank' : 'GPU');

/** Formats the repeated steps: `Steps repeated: 412 of 263,844 (0.16 %).` */
export function formatRepeatedSteps({ stepsRepeated, curves, attempts }: Report): string {
  const iterations = [...curves.loss, ...curves.ap].map(({ iteration }) => iteration);
  const total = maximum([0, ...iterations, ...attempts.map(({ toIteration }) => toIteration ?? 0)]);
  const share = stepsRepeated > 0 && total > 0 ? ` (${((100 * stepsRepeated) / total).toPrecision(2)} %)` : '';
  return `Steps repeated: ${formatCount(stepsRepeated)} of ${formatCount(total)}${share}.`;
}

/** Formats the speed of the training: `Speed: 7.31 images/s, MFU 31.2 %; epochs from 7.1 to 7.42 images/s.` */
export function formatTrainingSpeed({ speed }: Report): string | undefined {
  if (speed === undefined) return undefined;
  const rates = speed.epochs.map(({ imagesPerSecond }) => imagesPerSecond);
  const range = `epochs from ${formatImages(minimum(rates))} to ${formatImages(maximum(rates))} images/s`;
  return `Speed: ${listSpeed(speed).join(', ')}${rates.length > 1 ? `; ${range}` : ''}.`;
}

/** Formats how the attempt got its trainer. */
export function formatOrigin({ adopted, resumedFrom, fromIteration }: Attempt): string {
  if (adopted) return 'adopted a running trainer';
  if (resumedFrom !== null) return `resumed from ${resumedFrom}`;
  return fromIteration === null ? '–' : 'from scratch';
}

/** Lists the data set, what training and validation use of it, and masks that are boxes. */
export function listData({ plan, datasetUse }: Report): (readonly [string, string])[] {
  const { id, masks } = plan.dataset;
  return [
    ['dataset', id],
    ...(datasetUse === undefined
      ? []
      : [
          ['used for training', formatUse(datasetUse.train)] as const,
          ['used for validation', formatUse(datasetUse.val)] as const,
        ]),
    ...(masks === undefined
      ? []
      : [['masks', 'made from boxes where objects have no outline: mask AP measures boxes there'] as const]),
  ];
}

const formatUse = ({ images, objects, usableImages, usableObjects }: DatasetUse['train']): string =>
  `${formatCount(usableImages)} of ${formatPlural(images, 'image')}, ${formatCount(usableObjects)} of ${formatPlural(objects, 'object')}`;

export const eventNames: Record<TimelineEvent['kind'], string> = {
  started: 'Started',
  resumed: 'Resumed',
  adopted: 'Adopted',
  crashed: 'Crashed',
  hung: 'Hung',
  'worker-lost': 'Worker lost',
  'process-died': 'Process died',
  'gpu-health': 'GPU health',
  preempted: 'Preempted',
  finished: 'Finished',
  tested: 'Tested',
};

export const outcomeNames: Record<Attempt['outcome'], string> = {
  finished: 'finished',
  crashed: 'crashed',
  hung: 'hung',
  preempted: 'preempted',
  'worker-lost': 'worker lost',
};

export const actionNames: Record<Decision['next'], string> = {
  test: 'test',
  retry: 'train again',
  adopt: 'adopt the trainer',
  'wait-for-space': 'wait for disk space',
  'wait-for-storage': 'wait for the storage',
  ask: 'ask whether to start over',
  'wait-for-gpus': 'wait for GPUs',
  pause: 'pause',
  stop: 'stop',
};

const weightsHash = ({ weights }: Report['plan']): readonly [string, string] => {
  const { part, source } = startingWeights(weights);
  return [`${part} weights`, source.sha256 ?? 'not published'];
};

/** Lists the hashes that identify inputs and result. */
export const listHashes = ({ plan, metrics, lastEpoch }: Report): readonly (readonly [string, string])[] => [
  ['plan', plan.planHash],
  ['recipe', plan.recipe.sha256],
  ['dataset content', plan.dataset.contentKey],
  weightsHash(plan),
  ['tested checkpoint', metrics.checkpointSha256],
  ['trainer code', plan.versions.trainerCode],
  ['trainer lock', plan.versions.trainerLock],
  ...(lastEpoch === undefined ? [] : listEpochHashes(lastEpoch)),
];

/** Lists the hashes with which `everswin verify` compares a repetition of the epoch. */
const listEpochHashes = ({ epoch, weights, optimizer, samples, random }: EpochHashes): [string, string][] => [
  [`weights after epoch ${epoch}`, weights],
  [`optimizer after epoch ${epoch}`, optimizer],
  ...samples.map((hash, rank): [string, string] => [`samples of epoch ${epoch}, rank ${rank}`, hash]),
  ...random.map((hash, rank): [string, string] => [`random state after epoch ${epoch}, rank ${rank}`, hash]),
];
