import type { Check, RunPlan } from '../../configs/schema/index.ts';
import { isEvaluation, startingWeights } from '../../configs/schema/plan-weights.ts';

const maxNames = 10;

/** States which training the starting weights come from, and how their classes are handled. Empty for other weights. */
export function checkWeights(plan: Pick<RunPlan, 'weights' | 'epochs'>): Check[] {
  const { part, id, origin, classes } = startingWeights(plan.weights);
  if (part === 'backbone' || (origin === undefined && classes == null)) return [];
  const names =
    classes == null
      ? 'its classes are unknown'
      : `${classes.length} classes: ${classes.slice(0, maxNames).join(', ')}${classes.length > maxNames ? ', …' : ''}`;
  const handling = isEvaluation(plan)
    ? 'data with the same classes in another order are matched by name, other classes are stated'
    : 'if the data have other classes, the layers with an output per class start at random and everything else is loaded';
  return [{ name: 'starting weights', verdict: 'ok', message: `${origin ?? id}; ${names}; ${handling}`, remedy: null }];
}
