/** Selects the published results that are shown next to the run. */
import { isCoco, publishedModelFor } from '../../plan/published.ts';
import { referencesFor } from '../../plan/recipe-facts.ts';
import type { ReferenceResult, Report } from '../../../configs/schema/index.ts';

export interface Column extends ReferenceResult {
  /** True for results of the same recipe, which the verdict compares with. The others use another recipe for the same model. */
  readonly isCompared: boolean;
}

/** Lists the references of the verdict, then other published results of the model: paper, release and blog. */
export function listColumns({ references, plan }: Pick<Report, 'references' | 'plan'>): Column[] {
  const model = publishedModelFor(plan.recipe.name);
  const others =
    model && isCoco(plan.dataset)
      ? [...referencesFor(model.results), ...(model.blog === undefined ? [] : referencesFor(model.blog).slice(0, 1))]
      : [];
  const known = new Set(references.map(numbersKey));
  return [
    ...references.map((one) => ({ ...one, isCompared: true })),
    ...others.filter((one) => !known.has(numbersKey(one))).map((one) => ({ ...one, isCompared: false })),
  ];
}

/** Identifies a result by its numbers, whatever its label. */
const numbersKey = ({ bbox, segm }: ReferenceResult): string =>
  JSON.stringify([Object.entries(bbox).sort(), Object.entries(segm).sort()]);
