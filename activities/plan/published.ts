import {
  DatasetSplit,
  GapFacts,
  PublishedModels,
  type PublishedModel,
  type ReferenceResult,
  type RunPlan,
} from '../../configs/schema/index.ts';
import catalog from '../../configs/catalog.json' with { type: 'json' };
import effects from '../../configs/known-effects.json' with { type: 'json' };
import models from '../../configs/published-models.json' with { type: 'json' };

/** Returns the published model that a recipe reproduces, if any. */
export const publishedModelFor = (recipe: string): PublishedModel | undefined =>
  PublishedModels.parse(models).find(({ recipes }) => recipes.includes(recipe));

/** Returns the published results of a recipe that are comparable with a run: none on other data than COCO. */
export const comparableReferences = ({ references, dataset }: ComparedPlan): ReferenceResult[] =>
  isCoco(dataset) ? references : [];

type ComparedPlan = Pick<RunPlan, 'references'> & { dataset: DatasetIdentity };
type DatasetIdentity = Pick<RunPlan['dataset'], 'id' | 'classes' | 'train' | 'val'>;

/** The data set on which all published results were measured. */
const cocoId = 'coco-2017';

/**
 * Returns whether a data set is COCO 2017. A user may give the id to other data; the counts cannot be wrong, because
 * the preparation of the data rejects other ones.
 */
export function isCoco({ id, classes, train, val }: DatasetIdentity): boolean {
  const coco = catalog.datasets[cocoId];
  const hasCounts = (split: DatasetSplit, published: unknown): boolean => {
    const { images, instances } = DatasetSplit.parse(published).counts ?? {};
    return split.counts?.images === images && split.counts?.instances === instances;
  };
  return id === cocoId && classes === coco.classes && hasCounts(train, coco.train) && hasCounts(val, coco.val);
}

export const gapFacts = (): GapFacts => GapFacts.parse(effects);
