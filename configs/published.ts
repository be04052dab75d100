import { GapFacts, PublishedModels, type PublishedModel } from './schema.ts';
import effects from './known-effects.json' with { type: 'json' };
import models from './published-models.json' with { type: 'json' };

/** The published model that a recipe sets out to reach; undefined where there is none. */
export const publishedModelFor = (recipe: string): PublishedModel | undefined =>
  PublishedModels.parse(models).find(({ recipes }) => recipes.includes(recipe));

export const gapFacts = (): GapFacts => GapFacts.parse(effects);
