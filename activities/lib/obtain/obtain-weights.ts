import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { z } from 'zod';
import { homeFolders } from '../../../configs/paths.ts';
import { ConvertedWeights, StoredFile, type FetchedWeights, type RunPlan } from '../../../configs/schema.ts';
import { startingWeights, type WeightsPart } from '../../../configs/starting-weights.ts';
import { CodedError } from '../failures/coded-error.ts';
import { addObject, findObject, type StoredObject } from '../artifacts/objects.ts';
import { runStep } from '../steps.ts';
import { askTrainer } from '../trainer/trainer-command.ts';
import type { ObtainContext } from './obtain-context.ts';
import { obtainFile } from './obtain-file.ts';

const Converted = z.object({ converted: StoredFile, parameters: z.int() });

/**
 * Fetches the weights that a run begins with, holds them against the recipe, key by key and shape by shape, and turns them
 * into plain tensors (safetensors), once: MMDetection would load a wrong file silently and in part, and a pickle can hold code.
 * @throws CodedError WeightsMismatch with the keys, WeightsRefused.
 */
export async function obtainWeights(plan: RunPlan, context: ObtainContext): Promise<FetchedWeights> {
  const { part, id, source: entry } = startingWeights(plan.weights);
  const { home } = context;
  const source = await obtainFile(entry, context);
  const { output, outcome } = await runStep({
    ...{
      home,
      step: 'weights',
      subject: `${id} for ${plan.recipe.name}`,
      fresh: context.fresh,
      output: Converted,
    },
    fields: {
      ...{ 'weights sha256': source.sha256, part, 'recipe text': plan.recipe.sha256 },
      ...{ 'trainer code': plan.versions.trainerCode, 'tools (trainer lock)': plan.versions.trainerLock },
    },
    findDamage: async ({ converted }) =>
      (await findObject(home, converted.sha256)) === undefined
        ? 'the converted file is gone or was changed'
        : undefined,
    work: () => convert(plan.recipe.name, part, source, context),
  });
  const { file, sha256, bytes } = source;
  const path = homeFolders(home).object(output.converted.sha256);
  return { path, source: { file, sha256, bytes }, ...output, outcome };
}

async function convert(
  recipeName: string,
  part: WeightsPart,
  source: StoredObject,
  context: ObtainContext,
): Promise<z.infer<typeof Converted>> {
  const { home, recipesFolder, python, signal, onProgress } = context;
  const { downloads } = homeFolders(home);
  await mkdir(downloads, { recursive: true });
  onProgress({ what: `converting ${source.file}` });
  const base = `${downloads}/converted-${randomUUID()}`;
  const recipe = `${recipesFolder}/${recipeName}.py`;
  const argv = ['convert-weights', '--recipe', recipe, '--weights', source.path, '--part', part, '--into', base];
  try {
    const answer = await askTrainer({ python, argv, signal, answer: ConvertedWeights });
    refuseMisfit(answer, source.file, `the ${part} of ${recipeName}`);
    if (answer.result === null) throw new CodedError('WeightsRefused', `${source.file}: nothing was converted.`);
    const name = source.file.replace(/\.[^.]*$/, '.safetensors');
    const { path, sha256 } = answer.result;
    const { bytes } = await addObject(home, path, { sha256, name, origin: `converted from ${source.sha256}` });
    return { converted: { file: name, sha256, bytes }, parameters: answer.parameters };
  } finally {
    await rm(`${base}.safetensors`, { force: true });
  }
}

const listedKeys = 8;

function refuseMisfit(verdict: ConvertedWeights, file: string, model: string): void {
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
  const more = keys.length > listedKeys ? ` and ${keys.length - listedKeys} more` : '';
  return `- ${keys.length} ${what}: ${keys.slice(0, listedKeys).join(', ')}${more}`;
};
