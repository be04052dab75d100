import { RecipeFacts, type ReferenceResult } from './schema.ts';
import facts from './mmdet/metafile.json' with { type: 'json' };

/** Published results that a run of this recipe may fairly be held against; none where nobody published one. */
export const referencesFor = (recipe: string): ReferenceResult[] => RecipeFacts.parse(facts)[recipe]?.references ?? [];
