import type { Check, RecipeFacts, RunPlan } from '../../configs/schema/index.ts';
import { formatBytes } from '../shared/summary/format-bytes.ts';
import { formatPlural } from '../shared/summary/format-time.ts';
import { activeSwitches } from '../shared/run/speed-switches.ts';
import { checkpointBytes, totalBatch, iterationsPerEpoch } from './training-arithmetic.ts';

interface TrainingCheckInput {
  plan: RunPlan;
  /** Known facts of the recipe; undefined for a recipe without an entry in the metafile. */
  known: RecipeFacts[string] | undefined;
}

/** A given learning rate above linear scaling by this factor is more often a typo than a choice. */
const MAX_FACTOR = 10;

/** The trainer saves no more often with `auto` (checkpoints/interval.py). */
const shortestAutoMinutes = 2;

const ok = (name: string, message: string): Check => ({ name, verdict: 'ok', message, remedy: null });

/** Checks steps, learning rate, speed switches, duration and writes. Only a switch that does not fit stops a run. */
export const checkTraining = (facts: TrainingCheckInput): Check[] => [
  checkSteps(facts),
  checkLearningRate(facts),
  checkSpeed(facts),
  checkDuration(facts),
  checkWrites(facts),
];

function checkSteps({ plan }: TrainingCheckInput): Check {
  const images = plan.dataset.train.counts?.annotated;
  const batch = `${plan.gpus} x ${plan.batchPerGpu} images per step`;
  const epochs = formatPlural(plan.epochs, 'epoch');
  if (images == null) return ok('steps', `${epochs}, ${batch}; the number of steps is known once the data is read`);
  const perEpoch = iterationsPerEpoch(images, plan);
  const total = formatPlural(perEpoch * plan.epochs, 'step');
  return ok(
    'steps',
    `${epochs} x ${formatPlural(perEpoch, 'step')} = ${total} (${formatPlural(images, 'image')}, ${batch})`,
  );
}

/** Compares the learning rate with linear scaling (arXiv:1706.02677), which is never applied by itself. */
function checkLearningRate({ plan, known }: TrainingCheckInput): Check {
  const { optimizer, lr, baseBatch } = plan.recipe.summary;
  const { learningRate = lr } = plan;
  const batch = totalBatch(plan);
  const tuned = known?.batch ?? baseBatch ?? undefined;
  const used =
    learningRate === lr
      ? `${optimizer}, lr ${lr}`
      : `${optimizer}, lr ${learningRate} of the input in place of the recipe's ${lr}`;
  if (tuned === undefined)
    return ok('learning rate', `${used} for a total batch of ${batch}; the recipe does not state its own batch`);
  const linear = Number(((lr * batch) / tuned).toPrecision(3));
  // The plan omits a given rate that equals the recipe's.
  if (plan.input.learningRate !== undefined || learningRate !== lr) {
    const scaled = `linear scaling from the recipe's batch of ${tuned} would give lr ${linear}`;
    const message = `${used}; this run has a total batch of ${batch}: ${scaled}`;
    if (learningRate <= MAX_FACTOR * linear) return ok('learning rate', message);
    const factor = Number((learningRate / linear).toPrecision(2));
    return {
      name: 'learning rate',
      verdict: 'warning',
      message: `${message}, and the given one is ${factor} times as high, so training may diverge`,
      remedy: `Set "learningRate": ${linear} in the input.`,
    };
  }
  if (tuned === batch)
    return ok('learning rate', `${used} for a total batch of ${batch}, the batch that the recipe is tuned for`);
  return {
    name: 'learning rate',
    verdict: 'warning',
    message: `${used} is tuned for a total batch of ${tuned}, this run uses ${batch}; linear scaling would give lr ${linear}, but everswin does not change it; used: ${lr}`,
    remedy: `Set "learningRate": ${linear} in the input, or gpus x batchPerGpu to ${tuned}, or continue with ${lr}.`,
  };
}

function checkSpeed({ plan: { speed, recipe } }: TrainingCheckInput): Check {
  const active = activeSwitches(speed);
  const { noGroupBySize } = recipe.summary;
  if (speed.groupBySize && noGroupBySize !== undefined) {
    return {
      name: 'speed switches',
      verdict: 'error',
      message: `groupBySize does not fit ${recipe.name}: ${noGroupBySize}`,
      remedy: 'Remove "groupBySize" from "speed" in the input.',
    };
  }
  if (active.length === 0) return ok('speed switches', 'none; the recipe runs on unmodified MMDetection code');
  return {
    name: 'speed switches',
    verdict: 'warning',
    message: `${active.join(', ')}: verified on a CPU (docs/explanation/speed.md), not verified on a GPU`,
    remedy: 'Run `everswin gpu-check` on this machine first: it measures the speedup and compares losses.',
  };
}

function checkDuration({ plan, known }: TrainingCheckInput): Check {
  const speed = known?.speed;
  const hours = estimateHours({ plan, known });
  if (speed === undefined || hours === undefined) {
    return ok(
      'duration',
      'not measured for this recipe; `everswin status` shows the remaining time after the first steps',
    );
  }
  return ok('duration', `about ${Math.round(hours)} h on ${speed.hardware} (${speed.source}); other hardware differs`);
}

/** Returns the hours of training on the hardware of the metafile; undefined if they were not measured. */
function estimateHours({ plan, known }: TrainingCheckInput): number | undefined {
  const images = plan.dataset.train.counts?.annotated;
  const speed = known?.speed;
  if (images == null || speed === undefined) return undefined;
  // The measured epochs include validation, so the duration scales with the number of steps.
  return (speed.secondsPerEpoch * plan.epochs * images) / speed.imagesPerEpoch / 3600;
}

/** Reports what checkpoints write to the disk, which wears an SSD. */
function checkWrites({ plan, known }: TrainingCheckInput): Check {
  const bytes = checkpointBytes(known?.parameters ?? 0, plan.recipe.summary);
  if (bytes === 0) return ok('checkpoint writes', 'unknown, because the size of this model is not recorded');
  const { everyMinutes } = plan.checkpoint;
  const [minutes, most] = everyMinutes === 'auto' ? [shortestAutoMinutes, 'at most '] : [everyMinutes, ''];
  const perHour = bytes * (60 / minutes);
  const hours = estimateHours({ plan, known });
  const total = hours === undefined ? '' : `, ${most}${formatBytes(hours * perHour + plan.epochs * bytes)} in all`;
  const interval = `${most}one every ${formatPlural(minutes, 'minute')} and at each end of an epoch`;
  return ok(
    'checkpoint writes',
    `${formatBytes(bytes)} each, ${interval}: ${most}${formatBytes(24 * perHour)} a day${total}; SSDs of 1 TB are typically rated for 600 TB`,
  );
}

/** Reports the published AP of the recipe, if the run uses the data on which it was measured. */
export function checkExpectation({ references }: Pick<RunPlan, 'references'>): Check {
  const [first, ...others] = references;
  if (first === undefined) return ok('expected AP', 'no published result for this recipe on these data');
  const results = [first, ...others].map(({ label, source, bbox, segm }) => {
    const [box, mask] = [bbox.AP, segm.AP].map((ap) => (ap == null ? '–' : (ap * 100).toFixed(1)));
    return `box ${box ?? '–'}, mask ${mask ?? '–'}: ${label} (${source})`;
  });
  return ok('expected AP', results.join('; '));
}
