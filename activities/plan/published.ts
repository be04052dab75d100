import {
  GapFacts,
  PublishedModels,
  type PublishedModel,
  type ReferenceResult,
  type RunPlan,
} from '../../configs/schema/index.ts';
import effects from '../../configs/known-effects.json' with { type: 'json' };
import models from '../../configs/published-models.json' with { type: 'json' };

/** Returns the published model that a recipe reproduces, if any. */
export const publishedModelFor = (recipe: string): PublishedModel | undefined =>
  PublishedModels.parse(models).find(({ recipes }) => recipes.includes(recipe));

/** Returns the published results that are comparable with a run: none when the run uses another data set. */
export function comparableReferences({ recipe, dataset, references }: ComparedPlan): ReferenceResult[] {
  const measuredOn = publishedModelFor(recipe.name)?.settings.dataset?.value;
  return measuredOn === undefined || measuredOn === dataset.id ? references : [];
}

type ComparedPlan = Pick<RunPlan, 'references'> & { recipe: { name: string }; dataset: { id: string } };

export const gapFacts = (): GapFacts => GapFacts.parse(effects);
