import { z } from 'zod';
import { homeFolders } from '../../configs/paths.ts';
import { StoredFile, type FetchedWeights, type RunPlan } from '../../configs/schema/index.ts';
import { startingWeights, type WeightsPart } from '../../configs/schema/plan-weights.ts';
import { addObject, findObject, type StoredObject } from '../shared/store/objects.ts';
import { codeFields } from '../shared/steps/code-fields.ts';
import { cachedStep } from '../shared/steps/step-cache.ts';
import { withConvertedWeights } from './convert-weights.ts';
import type { PreparationContext } from './preparation-context.ts';
import { prepareFile } from './prepare-file.ts';

const Converted = z.object({
  converted: StoredFile,
  parameters: z.int(),
  classes: z.array(z.string()).nullish(),
});

/**
 * Fetches the initial weights of a run, compares every key and shape with the recipe, and converts them to safetensors
 * once. MMDetection would silently load a mismatched file in part, and a pickle can contain code.
 * @throws CodedError WeightsMismatch with the differing keys, or WeightsRefused.
 */
export async function prepareWeights(plan: RunPlan, context: PreparationContext): Promise<FetchedWeights> {
  const { part, id, source: entry } = startingWeights(plan.weights);
  const { home } = context;
  const source = await prepareFile(entry, context);
  const { output, outcome } = await cachedStep({
    home,
    step: 'weights',
    subject: `${id} for ${plan.recipe.name}`,
    fresh: context.fresh,
    output: Converted,
    fields: {
      'weights sha256': source.sha256,
      part,
      'recipe text': plan.recipe.sha256,
      ...codeFields(plan.versions, ['weights']),
    },
    findDamage: async ({ converted }) =>
      (await findObject(home, converted.sha256)) === undefined
        ? 'the converted file was changed or removed'
        : undefined,
    work: () => convert(plan.recipe.name, part, source, context),
  });
  const { file, sha256, bytes } = source;
  const path = homeFolders(home).object(output.converted.sha256);
  return { path, source: { file, sha256, bytes }, ...output, outcome };
}

async function convert(
  recipe: string,
  part: WeightsPart,
  source: StoredObject,
  context: PreparationContext,
): Promise<z.infer<typeof Converted>> {
  const { home } = context;
  context.onProgress({ what: `converting ${source.file}` });
  return withConvertedWeights(
    { ...context, recipe, part, path: source.path, file: source.file },
    async ({ path, sha256, parameters, classes }) => {
      const name = source.file.replace(/\.[^.]*$/, '.safetensors');
      const { bytes } = await addObject(home, path, { sha256, name, origin: `converted from ${source.sha256}` });
      return { converted: { file: name, sha256, bytes }, parameters, classes };
    },
  );
}
