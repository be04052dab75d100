import type { Check, RecipeFacts, RunPlan } from '../../configs/schema/index.ts';
import { formatCount } from '../shared/summary/format-time.ts';
import { activeSwitches } from '../shared/run/speed-switches.ts';
import { totalBatch, iterationsPerEpoch } from './training-arithmetic.ts';

interface TrainingCheckInput {
  plan: RunPlan;
  /** Known facts of the recipe; undefined for a recipe without an entry in the metafile. */
  known: RecipeFacts[string] | undefined;
}

const ok = (name: string, message: string): Check => ({ name, verdict: 'ok', message, remedy: null });

/** Checks steps, learning rate, speed switches and duration. None of these checks stops a run. */
export const checkTraining = (facts: TrainingCheckInput): Check[] => [
  checkSteps(facts),
  checkLearningRate(facts),
  checkSpeed(facts),
  checkDuration(facts),
];

function checkSteps({ plan }: TrainingCheckInput): Check {
  const images = plan.dataset.train.counts?.annotated;
  const batch = `${plan.gpus} x ${plan.batchPerGpu} images per step`;
  if (images == null)
    return ok('steps', `${plan.epochs} epochs, ${batch}; the number of steps is known once the data is read`);
  const steps = iterationsPerEpoch(images, plan);
  const [perEpoch, total] = [steps, steps * plan.epochs].map(formatCount);
  return ok(
    'steps',
    `${plan.epochs} epochs x ${perEpoch} steps = ${total} steps (${formatCount(images)} images, ${batch})`,
  );
}

function checkLearningRate({ plan, known }: TrainingCheckInput): Check {
  const { summary } = plan.recipe;
  const batch = totalBatch(plan);
  const rate = `${summary.optimizer}, lr ${summary.lr}`;
  if (known?.batch === undefined) return ok('learning rate', `${rate} for a total batch of ${batch}`);
  if (known.batch === batch)
    return ok('learning rate', `${rate} for a total batch of ${batch}, the same as the published result`);
  const linear = (summary.lr * batch) / known.batch;
  return {
    name: 'learning rate',
    verdict: 'warning',
    message: `${rate} is tuned for a total batch of ${known.batch}, this run uses ${batch}; linear scaling would give lr ${Number(linear.toPrecision(3))}, but everswin does not change it`,
    remedy: `Set gpus x batchPerGpu to ${known.batch}, or continue; the published result used a total batch of ${known.batch}.`,
  };
}

function checkSpeed({ plan: { speed } }: TrainingCheckInput): Check {
  const active = activeSwitches(speed);
  if (active.length === 0) return ok('speed switches', 'none; the recipe runs on unmodified MMDetection code');
  return {
    name: 'speed switches',
    verdict: 'warning',
    message: `${active.join(', ')}: verified on a CPU (docs/recipes.md), not verified on a GPU`,
    remedy: 'Run `everswin gpu-check` on this machine first: it measures the speedup and compares losses.',
  };
}

function checkDuration({ plan, known }: TrainingCheckInput): Check {
  const images = plan.dataset.train.counts?.annotated;
  const speed = known?.speed;
  if (images == null || speed === undefined) {
    return ok(
      'duration',
      'not measured for this recipe; `everswin status` shows the remaining time after the first steps',
    );
  }
  // The measured epochs include validation, so the duration scales with the number of steps.
  const hours = (speed.secondsPerEpoch * plan.epochs * images) / speed.imagesPerEpoch / 3600;
  return ok('duration', `about ${Math.round(hours)} h on ${speed.hardware} (${speed.source}); other hardware differs`);
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
