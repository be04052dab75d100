import {
  isCatalogId,
  PlanPart,
  type CheckpointManifest,
  type RunPlan,
  type TrainerEvent,
} from '../../../configs/schema/index.ts';
import { startingWeights } from '../../../configs/schema/plan-weights.ts';
import { weightSwitches } from './speed-switches.ts';

interface PlanChange {
  part: PlanPart;
  before: string;
  now: string;
}

/** Compares the parts of two plans that determine the trained weights. */
export function comparePlans(before: RunPlan, now: RunPlan): PlanChange[] {
  const [old, current] = [partsOf(before), partsOf(now)];
  return PlanPart.options
    .filter((part) => old[part].key !== current[part].key)
    .map((part) => ({ part, before: formatPart(old[part]), now: formatPart(current[part]) }));
}

/** Formats a change: `gpus changed from 4 to 2`. */
export const formatPlanChange = ({ part, before, now }: PlanChange): string =>
  `${part} changed from ${before} to ${now}`;

/** Returns whether a checkpoint is at an epoch's end. Only there may ranks or batch size change: both order the samples. */
export function isAtEpochEnd(
  { fence, epoch, iteration }: CheckpointManifest,
  events: readonly TrainerEvent[],
): boolean {
  const started = events.findLast((event) => event.type === 'started' && event.fence === fence);
  return started?.type === 'started' && epoch * started.iterationsPerEpoch === iteration;
}

/** Part of a plan. Parts with equal keys are equal; `name` is for display. */
interface Part {
  key: string;
  name?: string;
}

/** Weights of an earlier training are the same under any name. */
const formatWeights = ({ part, id, source }: ReturnType<typeof startingWeights>): string =>
  `${part} ${part === 'backbone' || isCatalogId(id) ? `${id} ` : ''}${source.sha256 ?? 'of unknown sha256'}`;

const formatPart = ({ key, name }: Part): string => (name === undefined ? key : `${name} (${key.slice(0, 12)})`);

/** Formats each part of a plan as `formatPlanChange` prints it. */
export const formatPlanParts = (plan: RunPlan): Record<string, string> =>
  Object.fromEntries(Object.entries(partsOf(plan)).map(([name, part]) => [name, formatPart(part)]));

const partsOf = ({ recipe, dataset, weights, ...plan }: RunPlan): Record<PlanPart, Part> => ({
  recipe: { key: recipe.sha256, name: recipe.name },
  dataset: { key: dataset.contentKey, name: dataset.id },
  weights: { key: formatWeights(startingWeights(weights)) },
  epochs: { key: String(plan.epochs) },
  gpus: { key: String(plan.gpus) },
  batchPerGpu: { key: String(plan.batchPerGpu) },
  learningRate: { key: plan.learningRate === undefined ? "the recipe's" : String(plan.learningRate) },
  seed: { key: String(plan.seed) },
  speed: { key: weightSwitches(plan.speed).join(' and ') || 'without switches' },
});
