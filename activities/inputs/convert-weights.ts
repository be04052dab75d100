import { basename } from 'node:path';
import { homeFolders } from '../../configs/paths.ts';
import { ConvertedWeights } from '../../configs/schema/index.ts';
import type { WeightsPart } from '../../configs/schema/plan-weights.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { withScratchFolder } from '../shared/files/scratch-folder.ts';
import { runTrainerCommand } from '../shared/trainer/trainer-command.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';

interface Conversion {
  home: string;
  recipesFolder: string;
  python: PythonCommand;
  signal: AbortSignal;
  /** Name of a file in configs/mmdet, without `.py`. */
  recipe: string;
  part: WeightsPart;
  /** The downloaded weights: a pickle or safetensors. */
  path: string;
  /** Name of the weights for messages and derived files. */
  file: string;
}

interface Converted {
  /** Temporary path, deleted when `use` settles. */
  path: string;
  sha256: string;
  /** Total number of parameters. */
  parameters: number;
  /** Class names that the file states; null if it states none. */
  classes: string[] | null;
}

/**
 * Converts weights to safetensors that match the recipe, and passes the temporary file to `use`.
 * @throws CodedError WeightsMismatch with the differing keys, or WeightsRefused.
 */
export async function withConvertedWeights<T>(
  conversion: Conversion,
  use: (converted: Converted) => Promise<T>,
): Promise<T> {
  const { home, recipesFolder, python, signal, recipe, part, path, file } = conversion;
  const recipeFile = `${recipesFolder}/${recipe}.py`;
  return withScratchFolder(homeFolders(home).downloads, async (folder) => {
    const into = ['--into', `${folder}/converted`];
    const argv = ['convert-weights', '--recipe', recipeFile, '--weights', path, '--part', part, ...into];
    const answer = await runTrainerCommand({ python, argv, signal, output: ConvertedWeights });
    requireMatch(answer, conversion, `the ${part} of ${recipe}`);
    if (answer.result === null)
      throw new CodedError('WeightsRefused', `The trainer accepted ${file} but wrote no converted weights.`);
    return use({ ...answer.result, parameters: answer.parameters, classes: answer.classNames ?? null });
  });
}

const maxListedKeys = 8;

function requireMatch(result: ConvertedWeights, { path, file }: Conversion, model: string): void {
  if (result.ok) return;
  if (result.rejected !== undefined) {
    // The trainer knows the file by its name in the store, a hash.
    const why = result.rejected.replaceAll(basename(path), file);
    throw new CodedError('WeightsRefused', why.includes(file) ? why : `${file}: ${why}`);
  }
  const wrongShapes = result.mismatched.map(
    ({ key, expected, actual }) => `${key} has shape [${actual.join(', ')}], expected [${expected.join(', ')}]`,
  );
  const differences = [
    formatKeys('missing', result.missing),
    formatKeys('unexpected', result.unexpected),
    formatKeys('wrong shape', wrongShapes),
  ].filter((line) => line !== '');
  throw new CodedError('WeightsMismatch', `${file} does not match ${model}:\n${differences.join('\n')}`);
}

const formatKeys = (label: string, keys: string[]): string => {
  if (keys.length === 0) return '';
  const more = keys.length > maxListedKeys ? ` and ${keys.length - maxListedKeys} more` : '';
  return `- ${keys.length} ${label}: ${keys.slice(0, maxListedKeys).join(', ')}${more}`;
};
