import { RecipeFacts, type ReferenceResult } from '../../configs/schema/index.ts';
import facts from '../../configs/mmdet/metafile.json' with { type: 'json' };

/** Returns the known facts of a recipe; undefined for a recipe without an entry in the metafile. */
export const recipeFacts = (recipe: string): RecipeFacts[string] | undefined => RecipeFacts.parse(facts)[recipe];

/** Returns the published results of a recipe. */
export const referencesFor = (recipe: string): ReferenceResult[] => recipeFacts(recipe)?.references ?? [];
