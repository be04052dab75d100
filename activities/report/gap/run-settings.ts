/** How a run was trained, respect by respect, in the words that published models are described with. */
import { z } from 'zod';
import type { Aspect, RecipeSettings, Report, Setting } from '../../../configs/schema/index.ts';
import { startingWeights } from '../../../configs/schema/plan-weights.ts';
import { describeBoxClasses, describeBoxHeads, describeBoxLoss, RoiHead } from './box-head.ts';

/** The settings that the diagnosis uses. Each one that a recipe lacks, or writes in another shape, counts as unknown. */
const Recipe = z.object({
  load_from: z.string().nullish().catch(undefined),
  model: z
    .object({ roi_head: RoiHead, backbone: z.object({ type: z.string() }).optional() })
    .optional()
    .catch(undefined),
  optim_wrapper: z
    .object({ type: z.string(), optimizer: z.object({ type: z.string(), lr: z.number() }) })
    .optional()
    .catch(undefined),
  param_scheduler: z
    .array(
      z.object({
        by_epoch: z.boolean().optional(),
        end: z.number().optional(),
        milestones: z.array(z.number()).optional(),
      }),
    )
    .optional()
    .catch(undefined),
});
export type Recipe = z.infer<typeof Recipe>;

export const readRecipe = (settings: RecipeSettings): Recipe => Recipe.parse(settings);

export type Settings = Partial<Record<Aspect, Setting>>;

/** @returns only what the report knows. */
export function describeSettings(report: Report, recipe: Recipe): Settings {
  const { plan, environment, decisions } = report;
  const { part, id } = startingWeights(plan.weights);
  const heads = recipe.model?.roi_head.bbox_head;
  const batch = plan.gpus * plan.batchPerGpu;
  const optimizer = recipe.optim_wrapper?.optimizer;
  const changes = decisions.flatMap(({ change }) => change ?? []);
  return keepKnown({
    'data set': { says: plan.dataset.id },
    'backbone weights': { says: part === 'backbone' ? id : `a whole detector, ${id}` },
    'box heads': heads && describeBoxHeads(heads),
    'box loss': heads && describeBoxLoss(heads),
    'box classes': heads && describeBoxClasses(heads),
    'batch and learning rate': optimizer && {
      says: `${batch} images a step at ${optimizer.lr.toExponential()}`,
      amount: batch,
    },
    'batch in parts': describeParts(report),
    epochs: { says: String(plan.epochs), amount: plan.epochs },
    'fall of the learning rate': describeMilestones(recipe),
    'warm-up': describeWarmUp(recipe),
    optimizer: optimizer && { says: optimizer.type },
    precision: describePrecision(report, recipe),
    framework: environment['mmdet'] === undefined ? undefined : { says: `MMDetection ${environment['mmdet']}` },
    'changes on the way': changes.length > 0 ? { says: [...new Set(changes)].join('; ') } : undefined,
  });
}

function describeParts({ plan }: Report): Setting | undefined {
  const atOnce = plan.recipe.summary.imagesAtOnce;
  if (atOnce === null || atOnce >= plan.batchPerGpu) return undefined;
  return { says: `${plan.batchPerGpu} images a GPU, ${atOnce} at a time` };
}

function describeMilestones({ param_scheduler: schedulers }: Recipe): Setting | undefined {
  const milestones = schedulers?.flatMap((one) => one.milestones ?? []) ?? [];
  return milestones.length > 0 ? { says: `after epochs ${milestones.join(' and ')}` } : undefined;
}

function describeWarmUp({ param_scheduler: schedulers }: Recipe): Setting | undefined {
  const first = schedulers?.find((one) => one.by_epoch === false && one.milestones === undefined);
  return first?.end === undefined ? undefined : { says: `${first.end} steps` };
}

/** A CPU trains in fp32 whatever the recipe says. */
function describePrecision({ environment }: Report, recipe: Recipe): Setting | undefined {
  if (environment['device'] === 'cpu') return { says: 'fp32' };
  if (recipe.optim_wrapper === undefined) return undefined;
  return { says: recipe.optim_wrapper.type === 'AmpOptimWrapper' ? 'fp16 by autocast' : 'fp32' };
}

const keepKnown = (settings: { readonly [about in Aspect]: Setting | undefined }): Settings =>
  Object.fromEntries(Object.entries(settings).filter(([, setting]) => setting !== undefined));
