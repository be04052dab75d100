import { PlanPart, type CheckpointManifest, type RunPlan, type TrainerEvent } from '../../../configs/schema/index.ts';
import { startingWeights } from '../../../configs/schema/plan-weights.ts';
import { weightSwitches } from './speed-switches.ts';

export interface PlanChange {
  part: PlanPart;
  before: string;
  now: string;
}

/** The parts in which two plans would train other weights. */
export function comparePlans(before: RunPlan, now: RunPlan): PlanChange[] {
  const [old, current] = [partsOf(before), partsOf(now)];
  return PlanPart.options
    .filter((part) => old[part].key !== current[part].key)
    .map((part) => ({ part, before: formatPart(old[part]), now: formatPart(current[part]) }));
}

/** `gpus was 4 and is 2` */
export const formatPlanChange = ({ part, before, now }: PlanChange): string => `${part} was ${before} and is ${now}`;

/** Only there another number of ranks, batches or samples can take over: the order within an epoch follows from them. */
export function isAtEpochEnd(
  { fence, epoch, iteration }: CheckpointManifest,
  events: readonly TrainerEvent[],
): boolean {
  const started = events.findLast((event) => event.type === 'started' && event.fence === fence);
  return started?.type === 'started' && epoch * started.iterationsPerEpoch === iteration;
}

/** `name` is for people; two parts are the same when their keys are. */
interface Part {
  key: string;
  name?: string;
}

const formatWeights = ({ part, id, source }: ReturnType<typeof startingWeights>): string =>
  `${part} ${id} ${source.sha256 ?? 'of unknown sha256'}`;

const formatPart = ({ key, name }: Part): string => (name === undefined ? key : `${name} (${key.slice(0, 12)})`);

/** Each part in words, as `formatPlanChange` prints it. */
export const formatPlanParts = (plan: RunPlan): Record<string, string> =>
  Object.fromEntries(Object.entries(partsOf(plan)).map(([name, part]) => [name, formatPart(part)]));

const partsOf = ({ recipe, dataset, weights, ...plan }: RunPlan): Record<PlanPart, Part> => ({
  recipe: { key: recipe.sha256, name: recipe.name },
  dataset: { key: dataset.contentKey, name: dataset.id },
  weights: { key: formatWeights(startingWeights(weights)) },
  epochs: { key: String(plan.epochs) },
  gpus: { key: String(plan.gpus) },
  batchPerGpu: { key: String(plan.batchPerGpu) },
  seed: { key: String(plan.seed) },
  speed: { key: weightSwitches(plan.speed).join(' and ') || 'without switches' },
});
