/** Input of a run. */
import { z } from 'zod';
import { Catalog, Host, MaskSource } from './catalog.ts';
import { NotifyPolicy } from './notify.ts';
import { onceValid, safeName } from './primitives.ts';
import { namedOnce, resolveData, ShortData } from './short-data.ts';
import { SpeedSwitches } from './speed.ts';
import { DetectorName } from './weights-reference.ts';

export const RunName = safeName('the name');
export type RunName = z.infer<typeof RunName>;

export const CheckpointPolicy = z.strictObject({
  everyMinutes: z
    .union([z.literal('auto'), z.number().positive().max(1440)])
    .meta({
      description:
        'Time between two checkpoints. `auto` computes it from the measured cost of a save and the time between failures (Young/Daly).',
      unit: 'minutes',
    })
    .default(10),
  // At least two, because the newest checkpoint may be damaged.
  keepLast: z.int().min(2).max(100).describe('Number of newest checkpoints to keep.').default(3),
  milestones: z
    .array(z.int().min(1).max(1000))
    .max(100)
    .meta({
      description:
        'Epochs whose checkpoint is kept forever. Without it, those at which the learning rate falls are kept.',
      unit: 'epochs',
    })
    .optional(),
});
export type CheckpointPolicy = z.infer<typeof CheckpointPolicy>;

/** Parts of a plan that determine the final weights. If one differs, checkpoints are not compatible. */
export const PlanPart = z.enum([
  'recipe',
  'dataset',
  'weights',
  'epochs',
  'gpus',
  'batchPerGpu',
  'learningRate',
  'seed',
  'speed',
]);
export type PlanPart = z.infer<typeof PlanPart>;

const stallFloor = (seconds: number, what: string) =>
  z
    .number()
    .positive()
    .max(86_400)
    .meta({ description: `Shortest time without progress ${what} that counts as a hang.`, unit: 'seconds' })
    .default(seconds);

/** Automatic recovery from training failures. */
export const RecoveryPolicy = z.strictObject({
  diverged: z
    .strictObject({
      backCheckpoints: z.int().min(1).max(10).describe('Number of checkpoints to go back.').default(2),
      learningRateFactor: z
        .number()
        .positive()
        .max(1)
        .describe('Factor of the learning rate after a rollback.')
        .default(0.5),
      fp32: z.boolean().describe('Trains without mixed precision after a rollback.').default(false),
      tries: z.int().min(0).max(10).describe('Highest number of rollbacks in a run.').default(2),
    })
    .describe('Rollback after the loss became NaN or infinite.')
    .prefault({}),
  outOfMemory: z
    .strictObject({
      accumulate: z
        .boolean()
        .describe('Splits each batch; gradients of the parts are accumulated into the same step.')
        .default(true),
    })
    .describe('Reaction when GPU memory ran out twice.')
    .prefault({}),
  startOver: z
    .boolean()
    .describe(
      'Trains from iteration 0 again when steps were saved but no checkpoint is usable. By default, the run waits for `everswin start-over`.',
    )
    .default(false),
  fewerGpus: z
    .boolean()
    .describe(
      'When a GPU has failed and no other one is left, trains on fewer GPUs with the same batch per step, until all are back. By default, the run waits for the GPU. One machine only.',
    )
    .default(false),
  standby: z
    .boolean()
    .describe(
      'Keeps a second trainer process that has imported everything and uses no GPU. After a crash it continues the training, without the start of Python. One machine only.',
    )
    .default(false),
  mayChange: z
    .array(PlanPart)
    .describe(
      'Parts that may differ from the plan that wrote the checkpoints. Such a run resumes at the end of an epoch.',
    )
    .default([]),
  stallSeconds: z
    .strictObject({
      startup: stallFloor(900, 'while the trainer starts'),
      step: stallFloor(60, 'between two training steps'),
      validation: stallFloor(1800, 'during validation'),
      saving: stallFloor(600, 'while a checkpoint is saved'),
    })
    .describe(
      'Time without progress until a trainer counts as hung, or 5 times the longest gap so far if that is longer.',
    )
    .prefault({}),
});
export type RecoveryPolicy = z.infer<typeof RecoveryPolicy>;

const expectedWeights =
  'expected either `backbone`, ImageNet weights of the catalog, or `detector`, a complete detector';

/** Weights to start from: an ImageNet backbone or a complete detector. */
const StartingWeights = z
  .strictObject({
    backbone: safeName('the backbone weights').describe('Id of ImageNet weights of the backbone.').optional(),
    detector: DetectorName.optional(),
  })
  .refine(({ backbone, detector }) => backbone !== undefined || detector !== undefined, {
    message: `${expectedWeights}, got neither`,
    ...onceValid(z.looseObject({})),
  })
  .refine(({ backbone, detector }) => backbone === undefined || detector === undefined, {
    message: `${expectedWeights}, got both`,
    ...onceValid(z.looseObject({})),
  });
type StartingWeights = z.infer<typeof StartingWeights>;

export const EpochCount = z.int().min(1).max(1000);

/** Limits of downloads. */
export const TransferPolicy = z.strictObject({
  allowHosts: z
    .array(Host)
    .max(64)
    .describe('Hosts that addresses of this input may name, in addition to those of configs/catalog.json.')
    .default([]),
  connections: z.int().min(1).max(64).describe('Number of connections of the worker.').default(8),
  megabytesPerSecond: z
    .number()
    .positive()
    .max(100_000)
    .meta({ description: 'Bandwidth limit. Without it, downloads are not limited.', unit: 'MB per second' })
    .optional(),
});
export type TransferPolicy = z.infer<typeof TransferPolicy>;

/** Where checkpoints, results and reports are stored outside of the machine that created them. */
const ArtifactPolicy = z.strictObject({
  store: z
    .union([
      z.literal('local'),
      z
        .string()
        .max(512)
        .regex(
          /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/,
          'expected "local" or an address such as "s3://my-bucket/everswin"',
        ),
    ])
    .describe(
      '`local` is a folder of the worker; `s3://BUCKET/PREFIX` is a bucket. Endpoint and credentials come from the worker, never from the input.',
    )
    .default('local'),
});
type ArtifactPolicy = z.infer<typeof ArtifactPolicy>;

/** Images of a data set to leave out: at most this many unusable ones, or these by file name. */
export const SkipBadImages = z.union([z.int().min(1).max(1000), z.array(z.string().min(1).max(1024)).min(1).max(1000)]);
export type SkipBadImages = z.infer<typeof SkipBadImages>;

export const HostName = safeName('a host');

/** Fields of `RunInput`, for schemas that contain some of them. */
export const RunFields = z.strictObject({
  $schema: z.string().describe('Address of the JSON Schema, for editors. It has no effect.').optional(),
  version: z.literal(1).describe('Version of the format.'),
  name: RunName.describe('Name of the run. It names the folder, the workflow and the report.'),
  recipe: safeName('the recipe').describe('A file of configs/mmdet, without `.py`.'),
  dataset: safeName('the data set')
    .describe('Id of a data set of configs/catalog.json, or of `catalog`. Required without `data`.')
    .optional(),
  data: ShortData.describe('Own images and annotations, in place of `dataset` and an entry of `catalog`.').optional(),
  masks: MaskSource.describe(
    '`from-boxes`: the box of an object without outline is its mask. By default, such data are rejected.',
  ).optional(),
  weights: StartingWeights.describe('Weights to start from, either `backbone` or `detector`.'),
  epochs: EpochCount.meta({ description: 'Length of the training.', unit: 'epochs' }),
  gpus: z.int().min(1).max(64).meta({ description: 'Number of GPUs, on all hosts together.', unit: 'GPUs' }),
  batchPerGpu: z.int().min(1).max(64).meta({ description: 'Images per GPU and step.', unit: 'images' }),
  hosts: z
    .array(HostName)
    .min(1)
    .max(64)
    .refine((hosts) => new Set(hosts).size === hosts.length, { error: 'expected each host once' })
    .describe(
      'Names of GPU workers (EVERSWIN_HOST) that train together, each with an equal share of `gpus`. The first one leads. Without it, one worker of the shared queue runs everything.',
    )
    .optional(),
  learningRate: z
    .number()
    .positive()
    .max(100)
    .describe(
      "Base learning rate. Warm-up and drops stay relative to it. Without it, the recipe's is used, whatever the batch size.",
    )
    .optional(),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .describe('Seed of all random numbers.')
    .default(0),
  priority: z
    .int()
    .min(1)
    .max(5)
    .describe('Priority in the GPU queue, from 1 (first) to 5. Without it, the priority is 3.')
    .optional(),
  loaderWorkers: z.int().min(0).max(32).describe('Data loader processes per GPU.').default(2),
  validationBatch: z
    .int()
    .min(1)
    .max(64)
    .meta({
      description:
        'Images of equal size per GPU that a validation computes at once; the final test computes single ones.',
      unit: 'images',
    })
    .default(1),
  speed: SpeedSwitches.describe(
    'Switches that make training faster. All are off by default, which follows the recipe exactly.',
  ).prefault({}),
  logEverySteps: z
    .int()
    .min(1)
    .max(10_000)
    .meta({ description: 'Distance of two lines of the training log.', unit: 'steps' })
    .default(50),
  checkpoint: CheckpointPolicy.describe('When checkpoints are saved, and which are kept.').prefault({}),
  recovery: RecoveryPolicy.describe('Automatic recovery from training failures.').prefault({}),
  catalog: Catalog.omit({ redirectHosts: true })
    .describe('Data sets and weights of the user, in the format of configs/catalog.json.')
    .prefault({}),
  extractImages: z
    .boolean()
    .describe('Extracts the images as files. By default, training reads them from the archive.')
    .default(false),
  skipBadImages: SkipBadImages.describe(
    'Leaves out images that training cannot use: at most this many in both splits, or those with these `file_name`s. Without it, each of them ends the run.',
  ).optional(),
  transfers: TransferPolicy.describe('Limits of downloads.').prefault({}),
  artifacts: ArtifactPolicy.describe('Store of checkpoints, results and reports.').prefault({}),
  notify: NotifyPolicy.describe('Targets of notifications.').optional(),
  note: z.string().max(2000).describe('Purpose of the run, shown in the report.').optional(),
  fresh: z.boolean().describe('Runs every step again, even if its result is cached.').default(false),
  force: z.boolean().describe('Starts the run despite errors of the dry run.').default(false),
});
/** Removes `$schema`, which is for editors only, so that plans and histories do not contain it. */
export function dropSchemaAddress<T extends { $schema?: string | undefined }>(input: T): T {
  delete input.$schema; // zod built this object
  return input;
}

/** Checks that the hosts share the GPUs equally. */
function requireEqualShares(
  { gpus, hosts = [], recovery }: { gpus: number; hosts?: string[] | undefined; recovery?: RecoveryPolicy | undefined },
  context: z.core.$RefinementCtx,
): void {
  if (hosts.length > 1 && recovery?.fewerGpus === true) {
    const message = `expected false with ${hosts.length} hosts, because only one machine can train on fewer GPUs, got true`;
    context.addIssue({ code: 'custom', path: ['recovery', 'fewerGpus'], message, input: true });
  }
  if (hosts.length === 0 || gpus % hosts.length === 0) return;
  const message = `expected all GPUs together to be a multiple of the ${hosts.length} hosts, got ${gpus}`;
  context.addIssue({ code: 'custom', path: ['gpus'], message, input: gpus });
}

/** Rule of every schema that contains `gpus` and `hosts`, as arguments of `superRefine`. */
export const equalShares = [
  requireEqualShares,
  onceValid(z.object(RunFields.pick({ gpus: true, hosts: true, recovery: true }).shape)),
] as const;

/** A run input; its `data` becomes `dataset` and an entry of `catalog`, so parsing twice changes nothing. */
export const RunInput = RunFields.superRefine(...equalShares)
  .superRefine(...namedOnce)
  .overwrite(dropSchemaAddress)
  .transform((fields) => resolveData(fields, fields.name));
export type RunInput = z.infer<typeof RunInput>;
