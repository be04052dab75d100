import type { Check, RecipeFacts, RunPlan } from '../../configs/schema/index.ts';
import { formatCount } from '../shared/summary/format-time.ts';
import { activeSwitches } from '../shared/run/speed-switches.ts';
import { totalBatch, iterationsPerEpoch } from './training-arithmetic.ts';

export interface TrainingCheckInput {
  plan: RunPlan;
  /** What is known of the recipe; undefined for one that nobody has run. */
  known: RecipeFacts[string] | undefined;
}

const ok = (about: string, says: string): Check => ({ name: about, verdict: 'ok', message: says, remedy: null });

/** What will be trained and how long that may take. Nothing here stops a run. */
export const checkTraining = (facts: TrainingCheckInput): Check[] => [
  checkSteps(facts),
  checkLearningRate(facts),
  checkSpeed(facts),
  checkDuration(facts),
];

function checkSteps({ plan }: TrainingCheckInput): Check {
  const images = plan.dataset.train.counts?.annotated;
  const batch = `${plan.gpus} x ${plan.batchPerGpu} images a step`;
  if (images == null) return ok('steps', `${plan.epochs} epochs, ${batch}; how many steps that is, the data will tell`);
  const steps = iterationsPerEpoch(images, plan);
  const [each, all] = [steps, steps * plan.epochs].map(formatCount);
  return ok('steps', `${plan.epochs} epochs of ${each}, ${all} in all: ${formatCount(images)} images, ${batch}`);
}

function checkLearningRate({ plan, known }: TrainingCheckInput): Check {
  const { summary } = plan.recipe;
  const batch = totalBatch(plan);
  const rate = `${summary.optimizer}, lr ${summary.lr}`;
  if (known?.batch === undefined) return ok('learning rate', `${rate} at a batch of ${batch}`);
  if (known.batch === batch) return ok('learning rate', `${rate} at a batch of ${batch}, as its published result`);
  const linear = (summary.lr * batch) / known.batch;
  return {
    name: 'learning rate',
    verdict: 'warning',
    message: `${rate} was chosen for a batch of ${known.batch}, this run has ${batch}; the linear rule would make it ${Number(linear.toPrecision(3))}, and nothing is changed by itself`,
    remedy: `Set gpus and batchPerGpu to a batch of ${known.batch}, or go on knowing that the published result was had otherwise.`,
  };
}

function checkSpeed({ plan: { speed } }: TrainingCheckInput): Check {
  const active = activeSwitches(speed);
  if (active.length === 0) return ok('speed switches', "none: the recipe on MMDetection's own code");
  return {
    name: 'speed switches',
    verdict: 'warning',
    message: `${active.join(', ')}: equal on a CPU as docs/recipes.md says, not yet tried on a GPU`,
    remedy: 'Run npm run gpu-check on this machine first: it measures what they bring and whether losses stay.',
  };
}

function checkDuration({ plan, known }: TrainingCheckInput): Check {
  const images = plan.dataset.train.counts?.annotated;
  const speed = known?.speed;
  if (images == null || speed === undefined) {
    return ok('duration', 'nobody has measured this recipe; status tells the time left after the first steps');
  }
  // The speed is of whole epochs, with validation: so it scales with the number of steps.
  const hours = (speed.secondsPerEpoch * plan.epochs * images) / speed.imagesPerEpoch / 3600;
  return ok('duration', `about ${Math.round(hours)} h on ${speed.hardware} (${speed.source}); elsewhere it differs`);
}

/** What AP was published for it. */
export function checkExpectation({ references }: Pick<RunPlan, 'references'>): Check {
  const [first, ...others] = references;
  if (first === undefined) return ok('expected AP', 'nobody has published a result of this recipe');
  const all = [first, ...others].map(({ label, source, bbox, segm }) => {
    const [box, mask] = [bbox.AP, segm.AP].map((ap) => (ap == null ? '–' : (ap * 100).toFixed(1)));
    return `box ${box ?? '–'}, mask ${mask ?? '–'}: ${label} (${source})`;
  });
  return ok('expected AP', all.join('; '));
}
