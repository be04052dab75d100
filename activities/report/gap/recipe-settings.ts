/** Lists the training settings of a run with the same texts as configs/published-models.json. */
import { z } from 'zod';
import type { Aspect, RecipeSettings, RecipeSummary, Report, Setting } from '../../../configs/schema/index.ts';
import { trainedEpochs } from '../../shared/summary/format-epochs.ts';
import { isCoco } from '../../plan/published.ts';
import { startingWeights } from '../../../configs/schema/plan-weights.ts';
import { formatBoxRegression, formatBoxHeads, formatBoxLoss, RoiHead } from './box-head.ts';

const Pipeline = z.array(z.object({ type: z.string(), ratio_range: z.array(z.number()).optional() }));

/** Recipe settings that the diagnosis uses. A setting that is missing or has another shape counts as unknown. */
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
  train_dataloader: z
    .object({
      // A data set that mixes images contains the one that reads them.
      dataset: z.object({ pipeline: Pipeline, dataset: z.object({ pipeline: Pipeline }).optional() }),
    })
    .optional()
    .catch(undefined),
});
export type Recipe = z.infer<typeof Recipe>;

export const readRecipe = (settings: RecipeSettings): Recipe => Recipe.parse(settings);

export type Settings = Partial<Record<Aspect, Setting>>;

/** Returns the settings that the report contains; unknown ones are absent. */
export function listSettings(report: Report, recipe: Recipe): Settings {
  const { plan, environment, decisions } = report;
  const average = plan.recipe.summary.weightAverage;
  const { part, id } = startingWeights(plan.weights);
  const heads = recipe.model?.roi_head.bbox_head;
  const batch = plan.gpus * plan.batchPerGpu;
  const optimizer = recipe.optim_wrapper?.optimizer;
  const epochs = trainedEpochs(report);
  const changes = decisions.flatMap(({ change }) => change ?? []);
  return omitUnknown({
    dataset: { value: formatDataset(plan.dataset) },
    'pretrained weights': { value: part === 'backbone' ? id : `detector ${id}` },
    'box heads': heads && formatBoxHeads(heads),
    'box loss': heads && formatBoxLoss(heads),
    'box regression': heads && formatBoxRegression(heads),
    'batch and learning rate': optimizer && {
      value: `batch size ${batch}, learning rate ${(plan.learningRate ?? optimizer.lr).toExponential()}`,
      amount: batch,
    },
    'micro-batches': formatMicroBatches(report),
    augmentation: formatAugmentation(recipe),
    'weight averaging': average && { value: formatWeightAverage(average) },
    epochs: { value: String(epochs), amount: epochs },
    'learning rate schedule': formatMilestones(recipe),
    'warm-up': formatWarmUp(recipe),
    optimizer: optimizer && { value: optimizer.type },
    precision: formatPrecision(report, recipe),
    framework: environment['mmdet'] === undefined ? undefined : { value: `MMDetection ${environment['mmdet']}` },
    'changes during the run': changes.length > 0 ? { value: [...new Set(changes)].join('; ') } : undefined,
  });
}

/** Names the data set. Data of a user may have the id of COCO, and are not equal to it for that. */
const formatDataset = (dataset: Report['plan']['dataset']): string =>
  dataset.id === 'coco-2017' && !isCoco(dataset) ? `${dataset.id} of this run's own catalog` : dataset.id;

function formatMicroBatches({ plan }: Report): Setting | undefined {
  const atOnce = plan.recipe.summary.imagesAtOnce;
  if (atOnce === null || atOnce >= plan.batchPerGpu) return undefined;
  return { value: `${atOnce} of ${plan.batchPerGpu} images per GPU at a time` };
}

/** Formats an augmentation other than that of blog and paper; undefined for theirs. */
function formatAugmentation({ train_dataloader: loader }: Recipe): Setting | undefined {
  const { pipeline = [], dataset } = loader?.dataset ?? {};
  const steps = [...(dataset?.pipeline ?? []), ...pipeline];
  const scales = steps.find(({ type }) => type === 'RandomResize')?.ratio_range;
  const parts = [
    ...(scales === undefined ? [] : [`large-scale jitter from ${scales.join(' to ')}`]),
    ...(steps.some(({ type }) => type === 'CopyPaste') ? ['copy-paste'] : []),
  ];
  return parts.length > 0 ? { value: parts.join(' and ') } : undefined;
}

/** Formats `moving average (ExpMomentumEMA, momentum 0.0002)`. */
export const formatWeightAverage = ({ type, momentum }: NonNullable<RecipeSummary['weightAverage']>): string =>
  `moving average (${type}, momentum ${momentum})`;

function formatMilestones({ param_scheduler: schedulers }: Recipe): Setting | undefined {
  const milestones = schedulers?.flatMap((one) => one.milestones ?? []) ?? [];
  return milestones.length > 0 ? { value: `reduced after epochs ${milestones.join(' and ')}` } : undefined;
}

function formatWarmUp({ param_scheduler: schedulers }: Recipe): Setting | undefined {
  const first = schedulers?.find((one) => one.by_epoch === false && one.milestones === undefined);
  return first?.end === undefined ? undefined : { value: `${first.end} steps` };
}

/** Training on a CPU ignores the recipe's mixed precision. */
function formatPrecision({ environment }: Report, recipe: Recipe): Setting | undefined {
  if (environment['device'] === 'cpu') return { value: 'fp32' };
  if (recipe.optim_wrapper === undefined) return undefined;
  return { value: recipe.optim_wrapper.type === 'AmpOptimWrapper' ? 'fp16 (autocast)' : 'fp32' };
}

const omitUnknown = (settings: { readonly [aspect in Aspect]: Setting | undefined }): Settings =>
  Object.fromEntries(Object.entries(settings).filter(([, setting]) => setting !== undefined));
