import { errorCatalogue } from '../../configs/errors.ts';
import { runFolder, type JobFolder } from '../../configs/paths.ts';
import type { RunPlan } from '../../configs/schema/index.ts';
import type { TrainDependencies } from './dependencies.ts';
import type { Material } from '../inputs/gather-material.ts';
import { gpusHere, trainingWish } from './gpu-wish.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { isDiskFull } from '../shared/files/disk-full.ts';
import { findFreePort } from '../shared/trainer/free-port.ts';
import { togetherWith, trainsTogether } from '../shared/trainer/host-jobs.ts';
import { FailedStart, startJob, type GpuWaiting } from '../shared/trainer/start-job.ts';
import { srunArgv, type Meeting, type ResumeFrom } from '../shared/trainer/trainer-argv.ts';
import type { RunningJob } from '../shared/trainer/trainer-process.ts';

export interface PartWish {
  plan: RunPlan;
  /** Since when the run asks for GPUs, Unix seconds: since now unless given. */
  queuedSince?: number;
  /** Of 1 to 5 the lower goes first where runs wait for GPUs; 3 unless given. */
  priority?: number | undefined;
}

/** Where the launchers of an attempt meet; undefined where one launcher on this machine starts all ranks. */
export async function arrangeMeeting(
  { address, slurm }: TrainDependencies,
  plan: RunPlan,
  fence: number,
): Promise<Meeting | undefined> {
  const together = trainsTogether(plan);
  const nodes = together?.hosts.length ?? slurm?.nodes ?? 1;
  if (nodes === 1) return undefined;
  const meeting = { nodes, endpoint: `${address}:${await findFreePort()}`, id: `${plan.runId}-${fence}` };
  return together === undefined ? meeting : { ...meeting, here: { address, isLeader: true } };
}

export interface TrainerPart {
  /** Of the supervisor. */
  job: JobFolder;
  fence: number;
  material: Material;
  resume: ResumeFrom | undefined;
  meeting: Meeting | undefined;
}

/** Starts what this machine does of a training, which may be all of it. */
export function startPart(
  dependencies: TrainDependencies,
  { plan, queuedSince, priority }: PartWish,
  { job, fence, material, resume, meeting }: TrainerPart,
  waiting: GpuWaiting,
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
  const together = togetherWith(folder, plan);
  const part = { job, python, program, fence, stall: plan.recovery.stallSeconds, together };
  const slurm = together === undefined ? dependencies.slurm : undefined;
  if (slurm === undefined)
    return startJob({ ...part, gpus: trainingWish(dependencies, plan, { queuedSince, priority }) }, waiting);
  // Slurm has shared out the GPUs of its nodes.
  gpusHere(dependencies, plan);
  return startJob({ ...part, launcher: srunArgv(slurm, plan.gpus, device), gpus: undefined }, waiting);
}

/** Whether a start may work in a while: then that it did not is an ending like others, and the workflow decides. */
export const isPassing = (error: unknown): error is Error =>
  isDiskFull(error) ||
  error instanceof FailedStart ||
  // A download or the artifact store: on a machine that has to fetch, that is no reason to give up.
  (error instanceof CodedError && errorCatalogue[error.code].retryable && error.code !== 'Unexpected');
