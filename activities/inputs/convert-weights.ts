import { mkdir, rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { homeFolders } from '../../configs/paths.ts';
import { ConvertedWeights } from '../../configs/schema/index.ts';
import type { WeightsPart } from '../../configs/schema/plan-weights.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { runTrainerCommand } from '../shared/trainer/trainer-command.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';

export interface Conversion {
  home: string;
  recipesFolder: string;
  python: PythonCommand;
  signal: AbortSignal;
  /** A file of configs/mmdet, without `.py`. */
  recipe: string;
  part: WeightsPart;
  /** Weights of any kind, and what they are called. */
  path: string;
  file: string;
}

export interface Converted {
  /** Gone when `use` has ended. */
  path: string;
  sha256: string;
  /** Numbers in them. */
  parameters: number;
}

/**
 * Turns weights into plain tensors (safetensors) that fit the recipe, for as long as `use` lasts.
 * @throws CodedError WeightsMismatch with the keys, WeightsRefused.
 */
export async function withConvertedWeights<T>(
  conversion: Conversion,
  use: (converted: Converted) => Promise<T>,
): Promise<T> {
  const { home, recipesFolder, python, signal, recipe, part, path, file } = conversion;
  const { downloads } = homeFolders(home);
  await mkdir(downloads, { recursive: true });
  const base = `${downloads}/converted-${randomUUID()}`;
  const recipeFile = `${recipesFolder}/${recipe}.py`;
  const argv = ['convert-weights', '--recipe', recipeFile, '--weights', path, '--part', part, '--into', base];
  try {
    const answer = await runTrainerCommand({ python, argv, signal, output: ConvertedWeights });
    requireMatch(answer, file, `the ${part} of ${recipe}`);
    if (answer.result === null) throw new CodedError('WeightsRefused', `${file}: nothing was converted.`);
    return await use({ ...answer.result, parameters: answer.parameters });
  } finally {
    await rm(`${base}.safetensors`, { force: true });
  }
}

const maxListedKeys = 8;

function requireMatch(verdict: ConvertedWeights, file: string, model: string): void {
  if (verdict.ok) return;
  if (verdict.refused !== undefined) throw new CodedError('WeightsRefused', `${file}: ${verdict.refused}`);
  const misshapen = verdict.misshapen.map(
    ({ key, expected, got }) => `${key} [${got.join(', ')}] instead of [${expected.join(', ')}]`,
  );
  const differences = [
    listSome('missing', verdict.missing),
    listSome('unexpected', verdict.unexpected),
    listSome('wrong shape', misshapen),
  ].filter((line) => line !== '');
  throw new CodedError('WeightsMismatch', `${file} does not fit ${model}:\n${differences.join('\n')}`);
}

const listSome = (what: string, keys: string[]): string => {
  if (keys.length === 0) return '';
  const more = keys.length > maxListedKeys ? ` and ${keys.length - maxListedKeys} more` : '';
  return `- ${keys.length} ${what}: ${keys.slice(0, maxListedKeys).join(', ')}${more}`;
};
