/** Input of a run. */
import { z } from 'zod';
import { Catalog, Host } from './catalog.ts';
import { NotifyPolicy } from './notify.ts';
import { safeName } from './primitives.ts';
import { checkData, resolveData, ShortData } from './short-data.ts';
import { SpeedSwitches } from './speed.ts';

export const RunName = safeName('the name');
export type RunName = z.infer<typeof RunName>;

export const CheckpointPolicy = z.strictObject({
  /** `auto`: by the Young/Daly formula, from the measured cost of a save and the time between failures. */
  everyMinutes: z.union([z.literal('auto'), z.number().positive().max(1440)]).default(10),
  /** At least two, because the newest checkpoint may be damaged. */
  keepLast: z.int().min(2).max(100).default(3),
  /** Epochs whose checkpoint is kept forever; by default those at which the learning rate falls. */
  milestones: z.array(z.int().min(1).max(1000)).max(100).optional(),
});
export type CheckpointPolicy = z.infer<typeof CheckpointPolicy>;

/** Parts of a plan that determine the final weights. If one differs, checkpoints are not compatible. */
export const PlanPart = z.enum(['recipe', 'dataset', 'weights', 'epochs', 'gpus', 'batchPerGpu', 'seed', 'speed']);
export type PlanPart = z.infer<typeof PlanPart>;

const stallFloor = (seconds: number) => z.number().positive().max(86_400).default(seconds);

/** Automatic recovery from training failures. */
export const RecoveryPolicy = z.strictObject({
  /** Rollback after NaN or Inf: checkpoints to go back and changes to apply, at most `tries` times per run. */
  diverged: z
    .strictObject({
      backCheckpoints: z.int().min(1).max(10).default(2),
      learningRateFactor: z.number().positive().max(1).default(0.5),
      fp32: z.boolean().default(false),
      tries: z.int().min(0).max(10).default(2),
    })
    .prefault({}),
  /** Splits each batch after GPU memory ran out twice; gradients of the parts are accumulated into the same step. */
  outOfMemory: z.strictObject({ accumulate: z.boolean().default(true) }).prefault({}),
  /** Parts that may differ from the plan that wrote the checkpoints. Such a run resumes at the end of an epoch. */
  mayChange: z.array(PlanPart).default([]),
  /** Seconds without progress until a trainer counts as hung, or 5 times the longest gap so far if that is more. */
  stallSeconds: z
    .strictObject({
      startup: stallFloor(900),
      step: stallFloor(60),
      validation: stallFloor(1800),
      saving: stallFloor(600),
    })
    .prefault({}),
});
export type RecoveryPolicy = z.infer<typeof RecoveryPolicy>;

/** Weights to start from: an ImageNet backbone or a complete detector. */
const StartingWeights = z
  .strictObject({
    backbone: safeName('the backbone weights').optional(),
    detector: safeName('the detector weights').optional(),
  })
  .refine(({ backbone, detector }) => (backbone === undefined) !== (detector === undefined), {
    message: 'expected either `backbone` or `detector`, an id of the catalog',
  });
type StartingWeights = z.infer<typeof StartingWeights>;

export const EpochCount = z.int().min(1).max(1000);

/** Limits of downloads. */
export const TransferPolicy = z.strictObject({
  /** Further hosts that addresses of this input may name, in addition to those of configs/catalog.json. */
  allowHosts: z.array(Host).max(64).default([]),
  /** Number of connections of the worker. */
  connections: z.int().min(1).max(64).default(8),
  /** Bandwidth limit in MB per second; unlimited by default. */
  megabytesPerSecond: z.number().positive().max(100_000).optional(),
});
export type TransferPolicy = z.infer<typeof TransferPolicy>;

/** Where checkpoints, results and reports are stored outside of the machine that created them. */
const ArtifactPolicy = z.strictObject({
  /** `local` is a folder of the worker. Endpoint and credentials of S3 come from the worker, not from the input. */
  store: z
    .union([
      z.literal('local'),
      z
        .string()
        .max(512)
        .regex(/^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/),
    ])
    .default('local'),
});
type ArtifactPolicy = z.infer<typeof ArtifactPolicy>;

export const HostName = safeName('a host');

/** Fields of `RunInput`, for schemas that contain some of them. */
export const RunFields = z.strictObject({
  version: z.literal(1),
  name: RunName,
  /** A file of configs/mmdet, without `.py`. */
  recipe: safeName('the recipe'),
  /** Id of configs/catalog.json, or of `catalog` below. */
  dataset: safeName('the data set').optional(),
  /** Own images and annotations, in place of `dataset` and an entry of `catalog`. */
  data: ShortData.optional(),
  weights: StartingWeights,
  epochs: EpochCount,
  gpus: z.int().min(1).max(64),
  batchPerGpu: z.int().min(1).max(64),
  /**
   * Names of GPU workers (EVERSWIN_HOST) that train together, each with an equal share of `gpus`. The first one leads.
   * By default, one worker of the shared queue runs everything.
   */
  hosts: z
    .array(HostName)
    .min(1)
    .max(64)
    .refine((hosts) => new Set(hosts).size === hosts.length, { error: 'expected each host once' })
    .optional(),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(0),
  /** Priority in the GPU queue, from 1 (first) to 5; 3 by default. */
  priority: z.int().min(1).max(5).optional(),
  /** Data loader processes per GPU. */
  loaderWorkers: z.int().min(0).max(32).default(2),
  /** All switches are off by default, which follows the recipe exactly. */
  speed: SpeedSwitches.prefault({}),
  logEverySteps: z.int().min(1).max(10_000).default(50),
  checkpoint: CheckpointPolicy.prefault({}),
  recovery: RecoveryPolicy.prefault({}),
  /** Data sets and weights of the user, in the format of configs/catalog.json. */
  catalog: Catalog.omit({ redirectHosts: true }).prefault({}),
  /** Extract the images as files; by default training reads them from the archive. */
  extractImages: z.boolean().default(false),
  transfers: TransferPolicy.prefault({}),
  artifacts: ArtifactPolicy.prefault({}),
  /** Targets of notifications. */
  notify: NotifyPolicy.optional(),
  /** Purpose of the run, shown in the report. */
  note: z.string().max(2000).optional(),
  /** Run every step again, even if its result is cached. */
  fresh: z.boolean().default(false),
  /** Start the run despite errors of the dry run. */
  force: z.boolean().default(false),
});
/** Checks that the hosts share the GPUs equally. */
export const checkHosts: z.core.CheckFn<{ gpus: number; hosts?: string[] | undefined }> = ({ value, issues }) => {
  const { gpus, hosts = [] } = value;
  if (hosts.length === 0 || gpus % hosts.length === 0) return;
  const message = `expected all GPUs together to be a multiple of the ${hosts.length} hosts, got ${gpus}`;
  issues.push({ code: 'custom', path: ['gpus'], message, input: gpus });
};

/** A run input; its `data` becomes `dataset` and an entry of `catalog`, so parsing twice changes nothing. */
export const RunInput = RunFields.check(checkHosts)
  .check(checkData)
  .transform((fields) => resolveData(fields, fields.name));
export type RunInput = z.infer<typeof RunInput>;
