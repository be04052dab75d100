import type { JobFolder } from '../../../configs/paths.ts';
import type { RecoveryPolicy, RunPlan } from '../../../configs/schema/index.ts';
import { isEvaluation, startingWeights } from '../../../configs/schema/plan-weights.ts';

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

/** Where the launchers of several machines find each other. */
export interface TorchrunRendezvous {
  nodes: number;
  /** `address:port` of the one that keeps the list, and what tells this meeting from others there. */
  endpoint: string;
  id: string;
  /** Undefined where one command starts on all machines: then each finds out by itself. */
  here?: { address: string; isLeader: boolean };
}

/** One rank of training, started by torchrun: see docs/trainer-contract.md. */
export const trainArgv = (
  plan: RunPlan,
  files: TrainerFiles & { weights: string; resume: ResumeFrom | undefined },
  job: JobFolder,
  device: Device,
  meeting?: TorchrunRendezvous,
): string[] => [
  ...[...torchrunArgv(plan.gpus, meeting), '-m', 'everswin_trainer', 'train'],
  ...commonArgv(files, job, device),
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
  ranks: number,
): string[] => [
  ...[...torchrunArgv(ranks), '-m', 'everswin_trainer', 'test', ...commonArgv(files, job, device)],
  ...[isEvaluation(plan) ? '--weights' : '--checkpoint', files.tested],
];

export type StallSeconds = RecoveryPolicy['stallSeconds'];

/** The GPUs that a job needs, of those that this machine shares out. */
export interface GpuRequest {
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
 * nothing is leased; with them it waits until it has them, no longer than `asker` lives, its parent. `together` are the
 * jobs of all hosts of the attempt, whose ranks work in the folder `run`.
 */
export const superviseArgv = (
  job: JobFolder,
  fence: number,
  stall: StallSeconds,
  program: string[],
  gpus?: GpuRequest & { asker: number },
  together?: { run: string; jobs: string[] },
): string[] => [
  ...['-m', 'everswin_trainer', 'supervise', '--job-dir', job.dir],
  // On disk an attempt is counted by its fence, which grows over all runs of the workflow in this folder.
  ...['--attempt', String(fence), '--fence', String(fence), '--grace-seconds', String(trainerGraceSeconds)],
  ...['--stall-seconds', `startup=${stall.startup}`, `step=${stall.step}`],
  ...[`validation=${stall.validation}`, `saving=${stall.saving}`],
  ...(gpus === undefined ? [] : gpuArgv(gpus)),
  ...(together === undefined ? [] : ['--run-dir', together.run, '--hosts', ...together.jobs]),
  '--',
  ...program,
];

const gpuArgv = ({ folder, device, count, priority, since, foreignMib, asker }: GpuRequest & { asker: number }) => [
  ...['--gpu-folder', folder, '--gpus', String(count), '--device', device, '--gpu-priority', String(priority)],
  ...['--gpu-since', String(since), '--foreign-mib', String(foreignMib), '--asker', String(asker)],
];

/** No restarts of its own: the workflow decides after each ending. @param ranks on all machines together. */
export const torchrunArgv = (ranks: number, meeting?: TorchrunRendezvous): string[] => [
  ...['-m', 'torch.distributed.run', ...(meeting === undefined ? ['--standalone'] : rendezvousArgv(meeting))],
  ...['--nproc-per-node', String(ranks / (meeting?.nodes ?? 1)), '--max-restarts', '0'],
];

const rendezvousArgv = ({ nodes, endpoint, id, here }: TorchrunRendezvous): string[] => [
  ...['--nnodes', String(nodes), '--rdzv-backend', 'c10d', '--rdzv-endpoint', endpoint, '--rdzv-id', id],
  // A machine does not always know by which address others reach it.
  ...(here === undefined ? [] : ['--rdzv-conf', `is_host=${here.isLeader ? 1 : 0}`, '--local-addr', here.address]),
];

/** The nodes of a Slurm allocation, on the first of which the worker runs. */
export interface Slurm {
  nodes: number;
  /** More options of srun. */
  extra: string[];
}

/** What starts the same command once on each node. */
export const srunArgv = ({ nodes, extra }: Slurm, gpus: number, device: Device): string[] => [
  ...['srun', '--nodes', String(nodes), '--ntasks-per-node', '1', '--kill-on-bad-exit=1'],
  ...(device === 'cuda' ? ['--gpus-per-node', String(gpus / nodes)] : []),
  ...extra,
];

const commonArgv = (files: TrainerFiles, job: JobFolder, device: Device): string[] => [
  ...['--plan', files.plan, '--recipe', files.recipe, '--data', files.data],
  ...['--job-dir', job.dir, '--device', device],
];
