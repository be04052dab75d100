import { errorCatalogue } from '../../configs/errors.ts';
import { runFolder, type JobFolder } from '../../configs/paths.ts';
import type { RunPlan } from '../../configs/schema/index.ts';
import type { TrainDependencies } from './dependencies.ts';
import type { TrainingInputs } from '../inputs/prepare-inputs.ts';
import { gpusOnThisHost, trainingGpuRequest } from './gpu-request.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { isDiskFull } from '../shared/files/disk-full.ts';
import { findFreePort } from '../shared/trainer/free-port.ts';
import { hostGroup, hostTopology } from '../shared/trainer/host-topology.ts';
import { SupervisorStartError, startJob, type GpuWaitListener } from '../shared/trainer/start-job.ts';
import { srunArgv, type TorchrunRendezvous, type ResumeFrom } from '../shared/trainer/trainer-argv.ts';
import type { RunningJob } from '../shared/trainer/trainer-process.ts';

export interface LaunchRequest {
  plan: RunPlan;
  /** Since when the run asks for GPUs, Unix seconds: since now unless given. */
  queuedSince?: number;
  /** Of 1 to 5 the lower goes first where runs wait for GPUs; 3 unless given. */
  priority?: number | undefined;
}

/** Where the launchers of an attempt meet; undefined where one launcher on this machine starts all ranks. */
export async function arrangeRendezvous(
  { address, slurm }: TrainDependencies,
  plan: RunPlan,
  fence: number,
): Promise<TorchrunRendezvous | undefined> {
  const together = hostTopology(plan);
  const nodes = together?.hosts.length ?? slurm?.nodes ?? 1;
  if (nodes === 1) return undefined;
  const meeting = { nodes, endpoint: `${address}:${await findFreePort()}`, id: `${plan.runId}-${fence}` };
  return together === undefined ? meeting : { ...meeting, here: { address, isLeader: true } };
}

export interface HostLaunch {
  /** Of the supervisor. */
  job: JobFolder;
  fence: number;
  material: TrainingInputs;
  resume: ResumeFrom | undefined;
  meeting: TorchrunRendezvous | undefined;
}

/** Starts what this machine does of a training, which may be all of it. */
export function launchOnHost(
  dependencies: TrainDependencies,
  { plan, queuedSince, priority }: LaunchRequest,
  { job, fence, material, resume, meeting }: HostLaunch,
  waiting: GpuWaitListener,
): Promise<RunningJob> {
  const { home, recipesFolder, python, programs, device } = dependencies;
  const folder = runFolder(home, plan.runId);
  const files = {
    plan: folder.plan,
    recipe: `${recipesFolder}/${plan.recipe.name}.py`,
    data: material.dataset.root,
    weights: material.weights.path,
    resume,
  };
  const program = programs.train(plan, files, folder.train, device, meeting);
  const together = hostGroup(folder, plan);
  const part = { job, python, program, fence, stall: plan.recovery.stallSeconds, together };
  const slurm = together === undefined ? dependencies.slurm : undefined;
  if (slurm === undefined)
    return startJob({ ...part, gpus: trainingGpuRequest(dependencies, plan, { queuedSince, priority }) }, waiting);
  // Slurm has shared out the GPUs of its nodes.
  gpusOnThisHost(dependencies, plan);
  return startJob({ ...part, launcher: srunArgv(slurm, plan.gpus, device), gpus: undefined }, waiting);
}

/** Whether a start may work in a while: then that it did not is an ending like others, and the workflow decides. */
export const isTransient = (error: unknown): error is Error =>
  isDiskFull(error) ||
  error instanceof SupervisorStartError ||
  // A download or the artifact store: on a machine that has to fetch, that is no reason to give up.
  (error instanceof CodedError && errorCatalogue[error.code].retryable && error.code !== 'Unexpected');
