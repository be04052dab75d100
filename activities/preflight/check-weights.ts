import type { Check, RunPlan } from '../../configs/schema/index.ts';
import { parseDetectorName } from '../../configs/schema/weights-reference.ts';
import { isEvaluation, startingWeights } from '../../configs/schema/plan-weights.ts';

const maxNames = 10;

/** States which training the starting weights come from, and how their classes are handled. Empty for other weights. */
export function checkWeights(plan: Pick<RunPlan, 'weights' | 'epochs'>): Check[] {
  const { part, id, origin, classes } = startingWeights(plan.weights);
  const isFile = parseDetectorName(id)?.kind === 'file';
  if (part === 'backbone' || (origin === undefined && classes == null && !isFile)) return [];
  const names =
    classes == null
      ? isFile
        ? 'its classes are read when the run converts it, and the report states them'
        : 'its classes are unknown'
      : `${classes.length} classes: ${classes.slice(0, maxNames).join(', ')}${classes.length > maxNames ? ', …' : ''}`;
  const handling = isEvaluation(plan)
    ? 'data with the same classes in another order are matched by name, other classes are stated'
    : 'if the data have other classes, the layers with an output per class start at random and everything else is loaded';
  return [{ name: 'starting weights', verdict: 'ok', message: `${origin ?? id}; ${names}; ${handling}`, remedy: null }];
}
