/** The files of the trainer (docs/trainer-contract.md). */
import { z } from 'zod';
import { RecipeSettings, RecipeSummary } from './plan.ts';
import { Score, Sha256 } from './primitives.ts';

export const TrainerOwner = z.object({
  v: z.literal(1),
  pid: z.int(),
  /** Field 22 of /proc/<pid>/stat: with the pid it names one process for ever. */
  startTicks: z.int(),
  host: z.string(),
  attempt: z.int(),
  fence: z.int(),
  /** Size of trainer.log when this trainer began: what is before it is another's. */
  logOffset: z.int(),
  /** UUIDs of the GPUs that it leased. */
  gpus: z.array(z.string()).default([]),
  startedAt: z.number(),
});
export type TrainerOwner = z.infer<typeof TrainerOwner>;

/** waiting.json: there while a supervisor waits for GPUs. */
export const GpuWait = z.object({
  v: z.literal(1),
  fence: z.int(),
  gpus: z.int(),
  since: z.number(),
  /** In the queue of the machine, from 1 on; who is ahead. */
  place: z.int(),
  ahead: z.array(z.object({ run: z.string(), gpus: z.int() })),
  /** Who has the GPUs; `survivors` are processes whose supervisor was killed. */
  held: z.array(
    z.object({
      gpu: z.string(),
      name: z.string(),
      run: z.string().nullable(),
      pid: z.int().nullable(),
      since: z.number().nullable(),
      survivors: z.boolean(),
    }),
  ),
  /** GPUs that nobody leased, but somebody uses. */
  foreign: z.array(z.object({ gpu: z.string(), users: z.array(z.string()) })),
  /** Other hosts of the same attempt that have no GPUs yet. */
  hosts: z.array(z.string()).default([]),
});
export type GpuWait = z.infer<typeof GpuWait>;

export const RootCause = z.object({
  rank: z.int().nullable(),
  pid: z.int().nullable(),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  message: z.string(),
  at: z.number().nullable(),
});
export type RootCause = z.infer<typeof RootCause>;

export const TrainerExit = z.object({
  v: z.literal(1),
  attempt: z.int(),
  fence: z.int(),
  code: z.int().nullable(),
  signal: z.string().nullable(),
  stopRequested: z.boolean(),
  reason: z.enum(['finished', 'preempted', 'crashed', 'hung']),
  rootCause: RootCause.nullable(),
  /** With several hosts: the one whose part of the attempt failed, which ended this part. */
  endedBy: z.string().nullish(),
  startedAt: z.number(),
  endedAt: z.number(),
});
export type TrainerExit = z.infer<typeof TrainerExit>;

export const CheckpointManifest = z.object({
  v: z.literal(1),
  file: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
  bytes: z.int(),
  sha256: Sha256,
  epoch: z.int(),
  iteration: z.int(),
  planHash: Sha256,
  attempt: z.int(),
  fence: z.int(),
  createdAt: z.number(),
  /** Version of torch that wrote the file; null for the fake trainer of the tests, which has no torch. */
  torch: z.string().nullable(),
});
export type CheckpointManifest = z.infer<typeof CheckpointManifest>;

const ValidationScores = z.object({ AP: Score, AP50: Score, AP75: Score, APs: Score, APm: Score, APl: Score });
const trainerEvent = <T extends string, S extends z.core.$ZodLooseShape>(type: T, shape: S) =>
  z.object({ v: z.literal(1), type: z.literal(type), t: z.number(), attempt: z.int(), ...shape });

export const TrainerEvent = z.discriminatedUnion('type', [
  trainerEvent('started', {
    fence: z.int(),
    epoch: z.int(),
    iteration: z.int(),
    iterationsPerEpoch: z.int(),
    epochs: z.int(),
    worldSize: z.int(),
    device: z.string(),
    resumedFrom: z.string().nullable(),
    pids: z.array(z.int()),
    versions: z.record(z.string(), z.string()),
  }),
  trainerEvent('step', {
    epoch: z.int(),
    iteration: z.int(),
    loss: z.number().nullable(),
    losses: z.record(z.string(), z.number().nullable()),
    lr: z.number().nullable(),
    stepSeconds: z.number(),
    dataSeconds: z.number().nullable(),
    etaSeconds: z.number().nullable(),
    memoryMb: z.number().nullable(),
  }),
  trainerEvent('validation', {
    epoch: z.int(),
    iteration: z.int(),
    bbox: ValidationScores,
    segm: ValidationScores,
    seconds: z.number(),
  }),
  trainerEvent('checkpoint', {
    file: z.string(),
    epoch: z.int(),
    iteration: z.int(),
    bytes: z.int(),
    sha256: Sha256,
    seconds: z.number(),
    /** How long training stood still for it: the rest of `seconds` went on in the background. */
    blockedSeconds: z.number(),
    /** `checkpointNow` of the control file at the save. */
    order: z.int(),
  }),
  trainerEvent('tested', { done: z.int(), total: z.int() }),
  trainerEvent('warning', { message: z.string() }),
  trainerEvent('ended', { reason: z.enum(['finished', 'preempted']), epoch: z.int(), iteration: z.int() }),
]);
export type TrainerEvent = z.infer<typeof TrainerEvent>;

/** Answer of `convert-weights`. */
export const ConvertedWeights = z.object({
  v: z.literal(1),
  ok: z.boolean(),
  refused: z.string().optional(),
  result: z.object({ path: z.string(), sha256: Sha256, bytes: z.int() }).nullable(),
  parameters: z.int(),
  missing: z.array(z.string()),
  unexpected: z.array(z.string()),
  misshapen: z.array(z.object({ key: z.string(), expected: z.array(z.int()), got: z.array(z.int()) })),
});
export type ConvertedWeights = z.infer<typeof ConvertedWeights>;

const PerSplit = z.object({ train: z.int(), val: z.int() });

/** Answer of `prepare-dataset`. */
export const PreparedDataset = z.discriminatedUnion('ok', [
  z.object({
    v: z.literal(1),
    ok: z.literal(true),
    warnings: z.array(z.string()),
    images: PerSplit,
    instances: PerSplit,
    classes: z.int(),
  }),
  z.object({ v: z.literal(1), ok: z.literal(false), problems: z.array(z.string()) }),
]);

/** Answer of `pack-folder`. */
export const PackedFolder = z.discriminatedUnion('ok', [
  z.object({ v: z.literal(1), ok: z.literal(true), bytes: z.int(), sha256: Sha256 }),
  z.object({ v: z.literal(1), ok: z.literal(false), problems: z.array(z.string()) }),
]);

/** What `prepare-dataset` and `pack-folder` print while they work, in bytes. */
export const StageLine = z.object({ stage: z.string(), done: z.int(), total: z.int() });
export type StageLine = z.infer<typeof StageLine>;

/** Answer of `recipe`. */
export const FlattenedRecipe = z.object({
  v: z.literal(1),
  name: z.string(),
  text: z.string(),
  /** The same settings as JSON. A recipe.json written by an older version has none. */
  settings: RecipeSettings.default({}),
  sha256: Sha256,
  maxEpochs: z.int(),
  /** The few settings that a person asks for first. */
  summary: RecipeSummary,
});
export type FlattenedRecipe = z.infer<typeof FlattenedRecipe>;
