import { RecipeFacts, type ReferenceResult } from '../../configs/schema/index.ts';
import facts from '../../configs/mmdet/metafile.json' with { type: 'json' };

/** What is known of a recipe; undefined for one that nobody has told of. */
export const recipeFacts = (recipe: string): RecipeFacts[string] | undefined => RecipeFacts.parse(facts)[recipe];

/** Published results that a run of this recipe may fairly be held against; none where nobody published one. */
export const referencesFor = (recipe: string): ReferenceResult[] => recipeFacts(recipe)?.references ?? [];
