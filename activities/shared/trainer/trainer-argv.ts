import type { JobFolder } from '../../../configs/paths.ts';
import type { RecoveryPolicy, RunPlan } from '../../../configs/schema/index.ts';
import { isEvaluation, startingWeights } from '../../../configs/schema/plan-weights.ts';

export type Device = 'cpu' | 'cuda';

/** Exceeds the 30 s that torchrun waits between SIGTERM and SIGKILL; a shorter grace period would orphan ranks. */
export const trainerGraceSeconds = 45;

interface TrainerFiles {
  plan: string;
  recipe: string;
  data: string;
}

/** Checkpoint to resume from. `planHash` is set if another plan wrote it and the worker accepted it. */
export interface ResumeFrom {
  path: string;
  planHash: string | undefined;
}

export interface TrainerPrograms {
  train: typeof trainArgv;
  test: typeof testArgv;
  /** Python module of the commands that need neither supervisor nor torchrun. */
  module: string;
}

/** Rendezvous of the torchrun launchers of several machines (`--rdzv-*`). */
export interface TorchrunRendezvous {
  nodes: number;
  /** `address:port` of the c10d store. */
  endpoint: string;
  id: string;
  /** Undefined if srun starts the same command on all nodes; each launcher then determines its own address. */
  here?: { address: string; isLeader: boolean };
}

/** Builds the torchrun command line of a training (docs/reference/trainer-contract.md). */
export const trainArgv = (
  plan: RunPlan,
  files: TrainerFiles & { weights: string; resume: ResumeFrom | undefined; until?: number },
  job: JobFolder,
  device: Device,
  rendezvous?: TorchrunRendezvous,
): string[] => [
  ...[...torchrunArgv(plan.gpus, rendezvous), '-m', 'everswin_trainer', 'train'],
  ...commonArgv(files, job, device),
  startingWeights(plan.weights).part === 'detector' ? '--init-detector' : '--weights',
  files.weights,
  ...resumeArgv(files.resume),
  ...untilArgv(files.until),
];

/** Stops a training after an iteration. */
export const untilArgv = (until: number | undefined): string[] =>
  until === undefined ? [] : ['--until', String(until)];

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

/** GPUs that a job leases on this machine. */
export interface GpuRequest {
  /** Folder of the leases and the queue of this machine. */
  folder: string;
  device: Device;
  count: number;
  /** Requests with a lower number go first. */
  priority: number;
  /** Unix seconds; among requests of equal priority, the earlier one goes first. */
  since: number;
  /** MiB of GPU memory that processes of other programs may use on a GPU that counts as free. */
  foreignMib: number;
  /** UUIDs that the job must not lease. */
  without?: readonly string[];
}

/**
 * Builds the command line of the supervisor, which locks the job and runs `program`. With `gpus`, it first waits for its
 * lease, but only while its parent is alive. `hostGroup` names the jobs of all hosts of the attempt.
 */
export const superviseArgv = (
  job: JobFolder,
  fence: number,
  stall: StallSeconds,
  program: string[],
  gpus?: GpuRequest & { parentPid: number },
  hostGroup?: { run: string; jobs: string[] },
): string[] => [
  ...['-m', 'everswin_trainer', 'supervise', '--job-dir', job.dir],
  // On disk the fence counts attempts, because it increases across all workflow runs in this folder.
  ...['--attempt', String(fence), '--fence', String(fence), '--grace-seconds', String(trainerGraceSeconds)],
  ...['--stall-seconds', `startup=${stall.startup}`, `step=${stall.step}`],
  ...[`validation=${stall.validation}`, `saving=${stall.saving}`],
  ...(gpus === undefined ? [] : gpuArgv(gpus)),
  ...(hostGroup === undefined ? [] : ['--run-dir', hostGroup.run, '--hosts', ...hostGroup.jobs]),
  '--',
  ...program,
];

const gpuArgv = (request: GpuRequest & { parentPid: number }) => {
  const { folder, device, count, priority, since, foreignMib, parentPid, without = [] } = request;
  return [
    ...['--gpu-folder', folder, '--gpus', String(count), '--device', device, '--gpu-priority', String(priority)],
    ...['--gpu-since', String(since), '--foreign-mib', String(foreignMib), '--parent-pid', String(parentPid)],
    ...(without.length === 0 ? [] : ['--without-gpus', ...without]),
  ];
};

/** Builds the torchrun part, without restarts: the workflow decides about them. @param ranks on all machines. */
export const torchrunArgv = (ranks: number, rendezvous?: TorchrunRendezvous): string[] => [
  ...['-m', 'torch.distributed.run', ...(rendezvous === undefined ? ['--standalone'] : rendezvousArgv(rendezvous))],
  ...['--nproc-per-node', String(ranks / (rendezvous?.nodes ?? 1)), '--max-restarts', '0'],
];

const rendezvousArgv = ({ nodes, endpoint, id, here }: TorchrunRendezvous): string[] => [
  ...['--nnodes', String(nodes), '--rdzv-backend', 'c10d', '--rdzv-endpoint', endpoint, '--rdzv-id', id],
  // A machine cannot always determine its own address as others see it.
  ...(here === undefined ? [] : ['--rdzv-conf', `is_host=${here.isLeader ? 1 : 0}`, '--local-addr', here.address]),
];

/** Slurm allocation, whose first node runs the worker. */
export interface Slurm {
  nodes: number;
  /** Additional options for srun. */
  extra: string[];
}

/** Builds the srun part, which starts a command once on each node. */
export const srunArgv = ({ nodes, extra }: Slurm, gpus: number, device: Device): string[] => [
  ...['srun', '--nodes', String(nodes), '--ntasks-per-node', '1', '--kill-on-bad-exit=1'],
  ...(device === 'cuda' ? ['--gpus-per-node', String(gpus / nodes)] : []),
  ...extra,
];

const commonArgv = (files: TrainerFiles, job: JobFolder, device: Device): string[] => [
  ...['--plan', files.plan, '--recipe', files.recipe, '--data', files.data],
  ...['--job-dir', job.dir, '--device', device],
];
