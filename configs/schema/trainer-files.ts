/**
 * Files of a job: what workers and the trainer write for each other. `npm run contract` turns these schemas into
 * trainer/contract/*.schema.json and the field tables of docs/reference/trainer-contract.md.
 */
import { z } from 'zod';
import { CheckpointPolicy } from './input.ts';
import { CodeVersion, RunPlan } from './plan.ts';
import { Score, Sha256 } from './primitives.ts';
import { SpeedSwitches } from './speed.ts';

const version = z.literal(1).describe('Version of the format.');
const unixSeconds = (meaning: string) => z.number().describe(`${meaning}, in Unix seconds.`);
const fence = z.int().describe('Fencing token under which the trainer was started.');
const attempt = z
  .int()
  .describe('Fencing token under which the trainer was started; it grows over all runs in this folder.');
const epochsDone = z.int().describe('Complete epochs done.');
const iterationsDone = z.int().describe('Iterations done in the whole run.');
const checkpointFile = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);

/** The fields of plan.json that the trainer reads. It ignores all others. */
export const TrainerPlan = z.looseObject({
  v: RunPlan.shape.v.describe('Version of the format.'),
  runId: z.string().describe('Name of the run.'),
  planHash: RunPlan.shape.planHash.describe('Hash of everything that decides the final weights.'),
  recipe: z.looseObject({
    name: RunPlan.shape.recipe.shape.name.describe('File of configs/mmdet, without `.py`.'),
    sha256: RunPlan.shape.recipe.shape.sha256.describe('Hash of the flattened recipe.'),
  }),
  weights: z
    .looseObject({
      detector: z
        .looseObject({
          classes: z
            .array(z.string())
            .nullish()
            .describe('Classes of the starting weights, in the order of their outputs; null when unknown.'),
        })
        .optional(),
    })
    .optional(),
  epochs: RunPlan.shape.epochs.describe('Epochs to train; 0 for an evaluation.'),
  learningRate: RunPlan.shape.learningRate.describe('Base learning rate; absent for that of the recipe.'),
  seed: RunPlan.shape.seed.describe('Seed of all random numbers.'),
  gpus: RunPlan.shape.gpus.describe('Number of ranks.'),
  batchPerGpu: RunPlan.shape.batchPerGpu.describe('Images per rank and step.'),
  loaderWorkers: RunPlan.shape.loaderWorkers.describe('Data loader processes per rank.'),
  validationBatch: RunPlan.shape.validationBatch.describe(
    'Images per rank that a validation computes at once; 1 if absent.',
  ),
  logEverySteps: RunPlan.shape.logEverySteps.describe('Steps between two `step` events.'),
  checkpoint: z.looseObject({
    everyMinutes: CheckpointPolicy.shape.everyMinutes
      .unwrap()
      .describe('Minutes between two checkpoints, or `auto` (docs/reference/recovery.md).'),
    keepLast: CheckpointPolicy.shape.keepLast.unwrap().describe('Number of newest checkpoints that are kept.'),
    milestones: CheckpointPolicy.shape.milestones.describe(
      'Epochs whose checkpoint is kept forever; by default those at which the learning rate falls.',
    ),
  }),
  speed: SpeedSwitches.describe('Switches that make training faster (docs/explanation/speed.md).'),
});
export type TrainerPlan = z.infer<typeof TrainerPlan>;

/** control.json: values that may change while a trainer runs. It polls the first two; the rest applies at its start. */
export const TrainerControl = z.object({
  v: version,
  epochs: z
    .int()
    .describe(
      'Epochs to train: those of the plan unless a person changed them. Read at the start and at the end of each epoch.',
    ),
  checkpointNow: z
    .int()
    .describe(
      'Counter of checkpoint requests, read at each step: more than in every `checkpoint` event asks for a save.',
    ),
  learningRateFactor: z.number().describe("Factor of the recipe's learning rate."),
  fp32: z.boolean().describe('Trains without mixed precision.'),
  accumulate: z.int().describe('Parts into which each batch is cut; their gradients are accumulated into one step.'),
  gpus: z
    .int()
    .describe('Ranks that train. Fewer than the plan has if GPUs failed; each then computes several ranks of the plan.')
    .optional(),
});
export type TrainerControl = z.infer<typeof TrainerControl>;

/** owner.json: the supervisor that runs the job. */
export const TrainerOwner = z.object({
  v: version,
  pid: z.int().describe('Process id of the supervisor.'),
  startTicks: z.int().describe('Field 22 of `/proc/<pid>/stat`: together with `pid` it identifies one process.'),
  host: z.string().describe('Host name.'),
  boot: z
    .string()
    .optional()
    .describe('Boot id of the kernel: the supervisor is on this machine, even if that was renamed.'),
  attempt,
  fence,
  logOffset: z.int().describe('Size of trainer.log when this attempt began.'),
  gpus: z.array(z.string()).describe('UUIDs of the leased GPUs.'),
  code: CodeVersion.optional().describe('Code of the trainer, from `EVERSWIN_CODE`; absent if a person started it.'),
  startedAt: unixSeconds('Start of the attempt'),
});
export type TrainerOwner = z.infer<typeof TrainerOwner>;

/** Account of this machine, because several users may share its GPUs. */
const account = z.string().nullable().describe('User of the run; null if unknown.');

export const GpuHolder = z.object({
  gpu: z.string(),
  name: z.string(),
  run: z.string().nullable(),
  user: account,
  pid: z.int().nullable(),
  since: z.number().nullable(),
  orphaned: z.boolean().describe('True when the supervisor is dead and its processes still run.'),
});
export type GpuHolder = z.infer<typeof GpuHolder>;

const GpuQueueEntry = z.object({ run: z.string(), user: account, gpus: z.int() });

/** waiting.json: exists while a supervisor waits for GPUs. */
export const GpuWait = z.object({
  v: version,
  fence,
  gpus: z.int().describe('Number of requested GPUs.'),
  since: unixSeconds('Start of the wait'),
  position: z.int().describe('Position in the queue of the machine, from 1.'),
  ahead: z.array(GpuQueueEntry).describe('Requests ahead in the queue.'),
  holders: z.array(GpuHolder).describe('Leases of the GPUs.'),
  foreign: z
    .array(z.object({ gpu: z.string(), users: z.array(z.string()) }))
    .describe('GPUs without a lease that other processes use.'),
  hosts: z.array(z.string()).describe('Other hosts of the attempt that have no GPUs yet.'),
});
export type GpuWait = z.infer<typeof GpuWait>;

/** Answer of `everswin_trainer gpu-leases`. */
export const GpuLeases = z.object({
  v: version,
  holders: z.array(GpuHolder).describe('Leases of the machine.'),
  waiting: z.array(GpuQueueEntry).describe('Requests in the queue, first in line first.'),
});
export type GpuLeases = z.infer<typeof GpuLeases>;

export const RootCause = z.object({
  rank: z.int().nullable().describe('Rank that failed first; null when unknown.'),
  pid: z.int().nullable().describe('Process id of that rank.'),
  exitCode: z.int().nullable().describe('Exit code of that rank; null after a signal.'),
  signal: z.string().nullable().describe('Signal that ended the rank, such as `SIGKILL`.'),
  message: z.string().describe('Exception or last message of the rank.'),
  at: z.number().nullable().describe('Time of the failure, in Unix seconds.'),
});
export type RootCause = z.infer<typeof RootCause>;

/** exit.json: the outcome of an attempt, written last. */
export const TrainerExit = z.object({
  v: version,
  attempt,
  fence,
  code: z.int().nullable().describe('Exit code of the program; null after a signal.'),
  signal: z.string().nullable().describe('Signal that ended the program.'),
  stopRequested: z.boolean().describe('The supervisor received SIGTERM or SIGINT.'),
  reason: z.enum(['finished', 'preempted', 'crashed', 'hung']).describe('Outcome of the attempt.'),
  rootCause: RootCause.nullable().describe('First failure, when there was one and its cause is known.'),
  endedBy: z.string().nullish().describe('With several hosts: the host whose failure ended this one.'),
  startedAt: unixSeconds('Start of the attempt'),
  endedAt: unixSeconds('End of the attempt'),
});
export type TrainerExit = z.infer<typeof TrainerExit>;

/** checkpoints/<name>.json: the manifest that makes a checkpoint valid. */
export const CheckpointManifest = z.object({
  v: version,
  file: checkpointFile.describe('Name of the checkpoint file.'),
  bytes: z.int().describe('Size of the file.'),
  sha256: Sha256.describe('Hash of the file.'),
  epoch: epochsDone,
  iteration: iterationsDone,
  planHash: Sha256.describe('Plan that the checkpoint belongs to.'),
  attempt,
  fence,
  createdAt: unixSeconds('Time of the save'),
  torch: z.string().nullable().describe('Version of torch; null for the fake trainer of the tests.'),
});
export type CheckpointManifest = z.infer<typeof CheckpointManifest>;

/** Hashes of what an epoch trained on and led to. */
export const EpochHashes = z.object({
  epoch: epochsDone,
  iteration: iterationsDone,
  samples: z.array(Sha256).describe('Hash of the order of the samples, of each rank.'),
  random: z.array(Sha256).describe('Hash of the state of the random number generators, of each rank.'),
  weights: Sha256.describe('Hash of the weights.'),
  optimizer: Sha256.describe('Hash of the moments of the optimizer.'),
});
export type EpochHashes = z.infer<typeof EpochHashes>;

const ValidationScores = z.object({ AP: Score, AP50: Score, AP75: Score, APs: Score, APm: Score, APl: Score });
const trainerEvent = <T extends string, S extends z.core.$ZodLooseShape>(type: T, meaning: string, fields: S) =>
  z
    .object({
      v: version,
      type: z.literal(type).describe('Kind of the event.'),
      t: unixSeconds('Time of the event'),
      attempt,
      ...fields,
    })
    .describe(meaning);

/** progress.jsonl: one event per line, over all attempts. */
export const TrainerEvent = z.discriminatedUnion('type', [
  trainerEvent('started', 'The ranks are ready to train.', {
    fence,
    epoch: epochsDone,
    iteration: iterationsDone,
    iterationsPerEpoch: z.int().describe('Iterations of one epoch.'),
    epochs: z.int().describe('Epochs to train.'),
    planHash: Sha256.optional().describe('Plan of the trainer; absent in records of earlier versions.'),
    control: TrainerControl.pick({ learningRateFactor: true, fp32: true, accumulate: true, gpus: true })
      .optional()
      .describe('Control values of the trainer; absent in records of earlier versions.'),
    worldSize: z.int().describe('Number of ranks.'),
    device: z.string().describe('`cpu` or `cuda`.'),
    resumedFrom: z.string().nullable().describe('Checkpoint file that was loaded; null for a fresh start.'),
    pids: z.array(z.int()).describe('Process id of each rank.'),
    versions: z.record(z.string(), z.string()).describe('Versions of Python and its packages.'),
  }),
  trainerEvent('step', 'A training step, averaged since the last event of this kind.', {
    epoch: z.int().describe('Epoch in progress, from 1.'),
    iteration: iterationsDone,
    loss: z.number().nullable().describe('Total loss; null when not finite.'),
    losses: z.record(z.string(), z.number().nullable()).describe('Parts of the loss by name.'),
    lr: z.number().nullable().describe('Learning rate.'),
    stepSeconds: z.number().describe('Duration of one step.'),
    dataSeconds: z.number().nullable().describe('Part of the step that waited for data.'),
    imagesPerSecond: z.number().optional().describe('Images per second of all ranks; absent in old records.'),
    mfu: z
      .number()
      .nullish()
      .describe(
        'Model FLOPs utilization, 0 to 1 (docs/reference/metrics.md); null on a CPU or if unknown, absent in old records.',
      ),
    etaSeconds: z.number().nullable().describe('Estimated time to the end of training.'),
    memoryMb: z.number().nullable().describe('Peak GPU memory of this rank, in MiB; null on a CPU.'),
  }),
  trainerEvent(
    'epoch',
    'An epoch ends; its hashes show whether a repetition equals it (`everswin verify`).',
    EpochHashes.shape,
  ),
  trainerEvent('validation', 'A validation on the validation split, by hotcoco.', {
    epoch: epochsDone,
    iteration: iterationsDone,
    bbox: ValidationScores.describe('Box AP in 0..1; null without ground truth.'),
    segm: ValidationScores.describe('Mask AP in 0..1; null without ground truth.'),
    seconds: z.number().describe('Duration.'),
  }),
  trainerEvent('checkpoint', 'A checkpoint and its manifest are on disk.', {
    file: z.string().describe('Name of the checkpoint file.'),
    epoch: epochsDone,
    iteration: iterationsDone,
    bytes: z.int().describe('Size of the file.'),
    sha256: Sha256.describe('Hash of the file.'),
    seconds: z.number().describe('Duration of the save.'),
    blockedSeconds: z.number().describe('Part of `seconds` during which training was blocked.'),
    checkpointNow: z.int().describe('`checkpointNow` of control.json at the save.'),
    intervalSeconds: z.number().optional().describe('Planned time between two checkpoints; absent in old records.'),
  }),
  trainerEvent('tested', 'Progress of the test job.', {
    done: z.int().describe('Images done.'),
    total: z.int().describe('Images of the split.'),
  }),
  trainerEvent('warning', 'A problem that does not end training.', { message: z.string().describe('Text.') }),
  trainerEvent('ended', 'The trainer ends on its own.', {
    reason: z.enum(['finished', 'preempted']).describe('Why it ends.'),
    epoch: epochsDone,
    iteration: iterationsDone,
  }),
]);
export type TrainerEvent = z.infer<typeof TrainerEvent>;
