import { readdir } from 'node:fs/promises';
import { FlattenedRecipe, type RunInput, type Versions } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
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

/**
 * A recipe as one text, with all that it inherits. Read once for all runs: MMEngine takes seconds for it.
 * @throws CodedError UnknownRecipe, which lists what there is.
 */
export async function readRecipe({ home, recipesFolder, python, versions, signal }: RecipeContext, input: RunInput) {
  const recipes = (await readdir(recipesFolder)).filter((file) => file.endsWith('.py')).sort();
  if (!recipes.includes(`${input.recipe}.py`)) {
    const names = recipes.map((file) => file.slice(0, -'.py'.length)).join(', ');
    throw new CodedError('UnknownRecipe', `There is no recipe "${input.recipe}". There are: ${names}.`);
  }
  const path = `${recipesFolder}/${input.recipe}.py`;
  const hashes = recipes.map(async (file) => [file, await sha256OfFile(`${recipesFolder}/${file}`)] as const);
  return cachedStep({
    home,
    step: 'recipe',
    subject: input.recipe,
    fresh: input.fresh,
    output: FlattenedRecipe,
    // A recipe may inherit from any file beside it; what it inherits from MMDetection is in the lock.
    fields: {
      ...Object.fromEntries(await Promise.all(hashes)),
      'trainer code': versions.trainerCode,
      'tools (trainer lock)': versions.trainerLock,
    },
    findDamage: () => Promise.resolve(undefined),
    work: () => runTrainerCommand({ python, signal, output: FlattenedRecipe, argv: ['recipe', '--recipe', path] }),
  });
}
