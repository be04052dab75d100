import type { JobFolder } from '../../../configs/paths.ts';
import type { RecoveryPolicy, RunPlan } from '../../../configs/schema.ts';
import { isEvaluation, startingWeights } from '../../../configs/starting-weights.ts';

export type Device = 'cpu' | 'cuda';

/** Longer than torchrun's own 30 s between SIGTERM and SIGKILL of the ranks, or we would orphan them. */
export const trainerGraceSeconds = 45;

export interface TrainerFiles {
  plan: string;
  recipe: string;
  data: string;
}

/** A checkpoint to go on from; `planHash` where it is another plan's, of which the worker found that it may be used. */
export interface ResumeFrom {
  path: string;
  planHash: string | undefined;
}

export interface TrainerPrograms {
  train: typeof trainArgv;
  test: typeof testArgv;
}

/** One rank of training, started by torchrun: see docs/trainer-contract.md. */
export const trainArgv = (
  plan: RunPlan,
  files: TrainerFiles & { weights: string; resume: ResumeFrom | undefined },
  job: JobFolder,
  device: Device,
): string[] => [
  ...torchrun(plan.gpus),
  'train',
  ...common(files, job, device),
  startingWeights(plan.weights).part === 'detector' ? '--init-detector' : '--weights',
  files.weights,
  ...resumeArgv(files.resume),
];

export const resumeArgv = (resume: ResumeFrom | undefined): string[] =>
  resume === undefined
    ? []
    : ['--resume', resume.path, ...(resume.planHash === undefined ? [] : ['--resume-plan', resume.planHash])];

export const testArgv = (
  plan: RunPlan,
  files: TrainerFiles & { tested: string },
  job: JobFolder,
  device: Device,
): string[] => [
  ...[...torchrun(plan.gpus), 'test', ...common(files, job, device)],
  ...[isEvaluation(plan) ? '--weights' : '--checkpoint', files.tested],
];

export type StallSeconds = RecoveryPolicy['stallSeconds'];

/** The GPUs that a job needs, of those that this machine shares out. */
export interface GpuWish {
  /** Where the machine keeps its leases. */
  folder: string;
  device: Device;
  count: number;
  /** The lower one goes first. */
  priority: number;
  /** Of one priority the earlier one goes first; Unix seconds. */
  since: number;
  /** MiB of a GPU that others may use. */
  foreignMib: number;
}

/**
 * The supervisor holds the job's lock and stops the whole tree; what follows `--` is the program it runs. Without `gpus`
 * nothing is leased; with them it waits until it has them, no longer than `asker` lives, its parent.
 */
export const superviseArgv = (
  job: JobFolder,
  fence: number,
  stall: StallSeconds,
  program: string[],
  gpus?: GpuWish & { asker: number },
): string[] => [
  ...['-m', 'everswin_trainer', 'supervise', '--job-dir', job.dir],
  // On disk an attempt is counted by its fence, which grows over all runs of the workflow in this folder.
  ...['--attempt', String(fence), '--fence', String(fence), '--grace-seconds', String(trainerGraceSeconds)],
  ...['--stall-seconds', `startup=${stall.startup}`, `step=${stall.step}`],
  ...[`validation=${stall.validation}`, `saving=${stall.saving}`],
  ...(gpus === undefined ? [] : gpuArgv(gpus)),
  '--',
  ...program,
];

const gpuArgv = ({ folder, device, count, priority, since, foreignMib, asker }: GpuWish & { asker: number }) => [
  ...['--gpu-folder', folder, '--gpus', String(count), '--device', device, '--gpu-priority', String(priority)],
  ...['--gpu-since', String(since), '--foreign-mib', String(foreignMib), '--asker', String(asker)],
];

/** No restarts of its own: the workflow decides after each ending. */
const torchrun = (ranks: number): string[] => [
  ...['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', String(ranks), '--max-restarts', '0'],
  ...['-m', 'everswin_trainer'],
];

const common = (files: TrainerFiles, job: JobFolder, device: Device): string[] => [
  ...['--plan', files.plan, '--recipe', files.recipe, '--data', files.data],
  ...['--job-dir', job.dir, '--device', device],
];
