import { runFolder, type JobFolder } from '../../configs/paths.ts';
import type { TrainingInputs } from '../inputs/prepare-inputs.ts';
import { planFileSha256 } from '../shared/run/plan-file.ts';
import { hostGroup } from '../shared/trainer/host-topology.ts';
import { startJob, type GpuWaitListener } from '../shared/trainer/start-job.ts';
import type { StandbyRequest } from '../shared/trainer/standby-trainers.ts';
import { srunArgv, type ResumeFrom, type TorchrunRendezvous } from '../shared/trainer/trainer-argv.ts';
import type { RunningJob } from '../shared/trainer/trainer-process.ts';
import type { TrainDependencies } from './dependencies.ts';
import { gpusOnThisHost, trainingGpuRequest } from './gpu-request.ts';
import type { LaunchRequest } from './training-request.ts';

export interface HostLaunch {
  /** Job folder of the supervisor. */
  job: JobFolder;
  fence: number;
  inputs: TrainingInputs;
  resume: ResumeFrom | undefined;
  rendezvous: TorchrunRendezvous | undefined;
  /** GPUs that train on all hosts together: those of the plan, unless GPUs have failed. */
  gpus: number;
  /** UUIDs of GPUs that must not be used. */
  without: readonly string[];
  gpuWait: GpuWaitListener;
}

/** Starts the supervisor of this host: it launches all ranks of the training, or this host's ranks. */
export function launchOnHost(
  dependencies: TrainDependencies,
  { plan: planned, queuedSince, priority }: LaunchRequest,
  { job, fence, inputs, resume, rendezvous, gpus, without, gpuWait }: HostLaunch,
): Promise<RunningJob> {
  const plan = { ...planned, gpus };
  const { home, recipesFolder, programs, device } = dependencies;
  const env = { ...dependencies.python.env, EVERSWIN_PLAN_SHA256: planFileSha256(planned) };
  const python = { ...dependencies.python, env };
  const folder = runFolder(home, plan.runId);
  const files = {
    plan: folder.plan,
    recipe: `${recipesFolder}/${plan.recipe.name}.py`,
    data: inputs.dataset.root,
    weights: inputs.weights.path,
    resume,
  };
  const program = programs.train(plan, files, folder.train, device, rendezvous);
  const group = hostGroup(folder, plan);
  const start = { job, python, program, fence, stall: plan.recovery.stallSeconds, hostGroup: group };
  const slurm = group === undefined ? dependencies.slurm : undefined;
  if (slurm === undefined) {
    const request = trainingGpuRequest(dependencies, plan, { queuedSince, priority });
    const takeStandby = (how: StandbyRequest) => dependencies.standbys.take(job, how);
    return startJob({ ...start, gpus: { ...request, without }, takeStandby }, gpuWait);
  }
  // Slurm allocates the GPUs of its nodes; this only checks that they divide evenly.
  gpusOnThisHost(dependencies, plan);
  return startJob({ ...start, launcher: srunArgv(slurm, plan.gpus, device), gpus: undefined }, gpuWait);
}
