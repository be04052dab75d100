import { readdir } from 'node:fs/promises';
import { FlattenedRecipe, type RunInput, type Versions } from '../../configs/schema/index.ts';
import { codeFields } from '../shared/steps/code-fields.ts';
import { cachedStep } from '../shared/steps/step-cache.ts';
import { runTrainerCommand } from '../shared/trainer/trainer-command.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';
import { sha256OfFile } from '../shared/files/atomic-file.ts';

export interface RecipeContext {
  home: string;
  recipesFolder: string;
  python: PythonCommand;
  versions: Versions;
  signal: AbortSignal;
}

/** Lists the recipes of a folder, without `.py`. */
export const listRecipes = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).flatMap((file) => (file.endsWith('.py') ? [file.slice(0, -'.py'.length)] : [])).sort();

/**
 * Reads a recipe with everything that it inherits as one text. The result is cached, because MMEngine takes seconds.
 */
export async function readRecipe({ home, recipesFolder, python, versions, signal }: RecipeContext, input: RunInput) {
  const recipes = (await listRecipes(recipesFolder)).map((name) => `${name}.py`);
  const path = `${recipesFolder}/${input.recipe}.py`;
  const hashes = recipes.map(async (file) => [file, await sha256OfFile(`${recipesFolder}/${file}`)] as const);
  return cachedStep({
    home,
    step: 'recipe',
    subject: input.recipe,
    fresh: input.fresh,
    output: FlattenedRecipe,
    // A recipe may inherit from any file of its folder.
    fields: { ...Object.fromEntries(await Promise.all(hashes)), ...codeFields(versions, ['recipe']) },
    findDamage: () => Promise.resolve(undefined),
    work: () => runTrainerCommand({ python, signal, output: FlattenedRecipe, argv: ['recipe', '--recipe', path] }),
  });
}
