/** Input of a run. */
import { z } from 'zod';
import { Catalog, Host } from './catalog.ts';
import { NotifyPolicy } from './notify.ts';
import { safeName } from './primitives.ts';
import { SpeedSwitches } from './speed.ts';

export const RunName = safeName('the name');
export type RunName = z.infer<typeof RunName>;

export const CheckpointPolicy = z.strictObject({
  /** `auto`: by the Young/Daly formula, from the measured cost of a save and the time between failures. */
  everyMinutes: z.union([z.literal('auto'), z.number().positive().max(1440)]).default(10),
  /** Never fewer than two: a damaged newest one must leave another. */
  keepLast: z.int().min(2).max(100).default(3),
  /** Epochs whose checkpoint is kept forever; by default those after which the learning rate falls. */
  milestones: z.array(z.int().min(1).max(1000)).max(100).optional(),
});
export type CheckpointPolicy = z.infer<typeof CheckpointPolicy>;

/** The parts of a plan that decide its weights: a checkpoint of a run in which one of them differs is another run's. */
export const PlanPart = z.enum(['recipe', 'dataset', 'weights', 'epochs', 'gpus', 'batchPerGpu', 'seed', 'speed']);
export type PlanPart = z.infer<typeof PlanPart>;

const stallFloor = (seconds: number) => z.number().positive().max(86_400).default(seconds);

/** Automatic recovery from training failures. */
export const RecoveryPolicy = z.strictObject({
  /** After NaN or Inf: back so many checkpoints and on with this change, at most `tries` times in a run. */
  diverged: z
    .strictObject({
      backCheckpoints: z.int().min(1).max(10).default(2),
      learningRateFactor: z.number().positive().max(1).default(0.5),
      fp32: z.boolean().default(false),
      tries: z.int().min(0).max(10).default(2),
    })
    .prefault({}),
  /** Out of GPU memory twice: cut each batch into parts whose gradients add up to the same step. */
  outOfMemory: z.strictObject({ accumulate: z.boolean().default(true) }).prefault({}),
  /** What may differ from the plan that wrote the checkpoints. Such a run resumes at the end of an epoch. */
  mayChange: z.array(PlanPart).default([]),
  /** Seconds without progress after which a trainer counts as hung; 5 times the longest gap so far if that is more. */
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

/** What the training begins with: a backbone of ImageNet, or a whole detector. */
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

/** How things are fetched. */
export const TransferPolicy = z.strictObject({
  /** Hosts beyond those of configs/catalog.json that addresses of this input may name: `host` or `host:port`. */
  allowHosts: z.array(Host).max(64).default([]),
  /** Over all connections of the worker. */
  connections: z.int().min(1).max(64).default(8),
  /** Millions of bytes; no limit where it is absent. */
  megabytesPerSecond: z.number().positive().max(100_000).optional(),
});
export type TransferPolicy = z.infer<typeof TransferPolicy>;

/** Where checkpoints, results and reports are kept beyond the machine that made them. */
const ArtifactPolicy = z.strictObject({
  /** `local`: a folder of the worker. Endpoint and credentials of an S3 server are the worker's, never the input's. */
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

/** Of `RunInput`, for schemas that hold a part of them. */
export const RunFields = z.strictObject({
  version: z.literal(1),
  name: RunName,
  /** A file of configs/mmdet, without `.py`. */
  recipe: safeName('the recipe'),
  /** Ids of configs/catalog.json, or of `catalog` below. */
  dataset: safeName('the data set'),
  weights: StartingWeights,
  epochs: EpochCount,
  gpus: z.int().min(1).max(64),
  batchPerGpu: z.int().min(1).max(64),
  /**
   * Names of GPU workers (EVERSWIN_HOST) that train together, each with an equal part of `gpus`, the first of them in the
   * lead. One worker of the shared queue takes all unless given.
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
  /** Of 1 to 5 the lower goes first where runs wait for GPUs; 3 unless given. */
  priority: z.int().min(1).max(5).optional(),
  /** Data loader processes per GPU. */
  loaderWorkers: z.int().min(0).max(32).default(2),
  /** All off: the recipe to the letter. */
  speed: SpeedSwitches.prefault({}),
  logEverySteps: z.int().min(1).max(10_000).default(50),
  checkpoint: CheckpointPolicy.prefault({}),
  recovery: RecoveryPolicy.prefault({}),
  /** The user's own data sets and weights, written as in configs/catalog.json. */
  catalog: Catalog.omit({ redirectHosts: true }).prefault({}),
  /** Lay the images out as files, too; training reads them from the archive otherwise. */
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
/** Ranks are spread evenly. */
export const checkHosts: z.core.CheckFn<{ gpus: number; hosts?: string[] | undefined }> = ({ value, issues }) => {
  const { gpus, hosts = [] } = value;
  if (hosts.length === 0 || gpus % hosts.length === 0) return;
  const message = `expected all GPUs together to be a multiple of the ${hosts.length} hosts, got ${gpus}`;
  issues.push({ code: 'custom', path: ['gpus'], message, input: gpus });
};

export const RunInput = RunFields.check(checkHosts);
export type RunInput = z.infer<typeof RunInput>;
