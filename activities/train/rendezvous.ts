import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { RunFolder } from '../../configs/paths.ts';
import { Rendezvous, type RunPlan } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';
import { readJson } from '../shared/files/json-file.ts';
import { findFreePort } from '../shared/trainer/free-port.ts';
import { hostTopology } from '../shared/trainer/host-topology.ts';
import type { ResumeFrom, TorchrunRendezvous } from '../shared/trainer/trainer-argv.ts';
import type { TrainDependencies } from './dependencies.ts';

const pollMs = 250;

/** Rendezvous data that the leader of an attempt publishes. */
interface RendezvousRequest {
  attempt: number;
  /** Fence of the attempt. */
  fence: number;
  /** Fence under which the trainer started; lower than `fence` if the attempt adopted it. */
  trainerFence: number;
  torchrun: Pick<TorchrunRendezvous, 'endpoint' | 'id'>;
  resume: ResumeFrom | undefined;
}

/** Arranges a rendezvous of torchrun launchers; undefined if one launcher on this machine starts all ranks. */
export async function arrangeRendezvous(
  { address, slurm }: Pick<TrainDependencies, 'address' | 'slurm'>,
  plan: RunPlan,
  fence: number,
): Promise<TorchrunRendezvous | undefined> {
  const topology = hostTopology(plan);
  const nodes = topology?.hosts.length ?? slurm?.nodes ?? 1;
  if (nodes === 1) return undefined;
  const rendezvous = { nodes, endpoint: `${address}:${await findFreePort()}`, id: `${plan.runId}-${fence}` };
  return topology === undefined ? rendezvous : { ...rendezvous, here: { address, isLeader: true } };
}

/** Publishes the rendezvous. Call it when every file that the other hosts read is in place. */
export async function publishRendezvous(folder: RunFolder, request: RendezvousRequest): Promise<void> {
  const { attempt, fence, trainerFence, torchrun, resume } = request;
  const rendezvous: Rendezvous = {
    v: 1,
    workflowRun: workflowRun(),
    attempt,
    fence,
    trainerFence,
    endpoint: torchrun.endpoint,
    id: torchrun.id,
    resume: resume === undefined ? null : { file: basename(resume.path), planHash: resume.planHash },
  };
  await writeFileAtomic(folder.rendezvous, JSON.stringify(rendezvous));
}

/**
 * Waits until the leader publishes the rendezvous of this attempt of this workflow run.
 * @throws CodedError StaleAttempt when the leader published one of a later attempt.
 */
export async function waitForRendezvous(folder: RunFolder, attempt: number): Promise<Rendezvous> {
  const { cancellationSignal } = Context.current();
  for (;;) {
    cancellationSignal.throwIfAborted();
    const found = await readJson(folder.rendezvous, Rendezvous);
    if (found?.workflowRun === workflowRun()) {
      if (found.attempt === attempt) return found;
      if (found.attempt > attempt)
        throw new CodedError('StaleAttempt', `Attempt ${attempt} is superseded by attempt ${found.attempt}.`);
    }
    await sleep(pollMs);
  }
}

const workflowRun = (): string => Context.current().info.workflowExecution?.runId ?? '';
