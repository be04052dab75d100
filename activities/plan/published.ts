import {
  GapFacts,
  PublishedModels,
  type PublishedModel,
  type ReferenceResult,
  type RunPlan,
} from '../../configs/schema/index.ts';
import effects from '../../configs/known-effects.json' with { type: 'json' };
import models from '../../configs/published-models.json' with { type: 'json' };

/** The published model that a recipe sets out to reach; undefined where there is none. */
export const publishedModelFor = (recipe: string): PublishedModel | undefined =>
  PublishedModels.parse(models).find(({ recipes }) => recipes.includes(recipe));

/** A published result says nothing of a run of other data: then there is none to compare with. */
export function comparableReferences({ recipe, dataset, references }: ComparedPlan): ReferenceResult[] {
  const measuredOn = publishedModelFor(recipe.name)?.settings.dataset?.value;
  return measuredOn === undefined || measuredOn === dataset.id ? references : [];
}

type ComparedPlan = Pick<RunPlan, 'references'> & { recipe: { name: string }; dataset: { id: string } };

export const gapFacts = (): GapFacts => GapFacts.parse(effects);
