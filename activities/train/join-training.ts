import { setTimeout as sleep } from 'node:timers/promises';
import { runFolder, type JobFolder, type RunFolder } from '../../configs/paths.ts';
import { TrainerExit, TrainerOwner, type HostResult, type Rendezvous } from '../../configs/schema/index.ts';
import type { TrainDependencies } from './dependencies.ts';
import { followJob } from './follow-job.ts';
import { prepareInputs } from '../inputs/prepare-inputs.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { ProgressReader } from '../shared/run/progress-reader.ts';
import { explainOutcome } from './failures/summarize-attempt.ts';
import { readJson } from '../shared/files/json-file.ts';
import { assertFence, raiseFence } from '../shared/run/fence.ts';
import { isAlive } from '../shared/trainer/process-identity.ts';
import { findLiveJob, requestStop, type JobOutcome, type RunningJob } from '../shared/trainer/trainer-process.ts';
import { hostTopology } from '../shared/trainer/host-topology.ts';
import { waitForRendezvous } from './rendezvous.ts';
import { createGpuWaitReporter } from './gpu-wait-reporter.ts';
import { isTransient, launchOnHost, type LaunchRequest } from './launch-on-host.ts';

export interface JoinRequest extends LaunchRequest {
  /** This machine, as the run's input names it. */
  host: string;
  /** Counted by the workflow over the whole run. */
  attempt: number;
}

/**
 * The part of this machine in a training that another one leads: starts or adopts it when the leader calls, watches it,
 * and says how it ended. Progress, orders and the description of the attempt are the leader's.
 */
export const createJoinTraining =
  (dependencies: TrainDependencies) =>
  (request: JoinRequest): Promise<HostResult> => {
    let doing = 'waits for the host in the lead';
    return withHeartbeat(
      () => doing,
      () => join(dependencies, request, (text) => (doing = text)),
    );
  };

async function join(
  dependencies: TrainDependencies,
  request: JoinRequest,
  onDoing: (text: string) => void,
): Promise<HostResult> {
  const folder = runFolder(dependencies.home, request.plan.runId);
  const job = folder.host(request.host);
  const rendezvous = await waitForRendezvous(folder, request.attempt);
  const { fence } = rendezvous;
  await raiseFence(job, fence);
  await assertFence(job, fence);
  onDoing('starts');
  const part = await findPart(job, rendezvous);
  if (part !== undefined && !('owner' in part)) return part;
  let running: RunningJob;
  try {
    running = part ?? (await start(dependencies, request, { folder, job, rendezvous }, onDoing));
  } catch (error) {
    if (isTransient(error)) return { outcome: 'unstarted', cause: error.message };
    throw error;
  }
  onDoing(`trains, led by ${hostTopology(request.plan)?.leader ?? '?'}`);
  const unread = { progress: new ProgressReader(job.progress), onEvents: () => undefined };
  const ending = await dependencies.gpus.withGpusHeld(() => followJob({ job, running, fence, ...unread }));
  return describePart(ending);
}

/** What there is of the training already: it runs, or how it ended. Undefined where it is to be started. */
async function findPart(
  job: JobFolder,
  { fence, trainerFence }: Rendezvous,
): Promise<RunningJob | HostResult | undefined> {
  const live = await findLiveJob(job);
  if (live?.owner.fence === trainerFence) return live;
  if (live !== undefined) {
    // Left of an attempt whose leader is gone.
    await requestStop(live.owner);
    while (await isAlive(live.owner)) await sleep(100);
  }
  const exit = await readJson(job.exit, TrainerExit);
  if (exit?.fence === trainerFence) return describePart({ exit });
  const owner = await readJson(job.owner, TrainerOwner);
  if (owner?.fence === trainerFence) return describePart({ supervisorLost: owner });
  return trainerFence === fence ? undefined : { outcome: 'lost', cause: 'Nothing is left of the part of this host.' };
}

async function start(
  dependencies: TrainDependencies,
  request: JoinRequest,
  { folder, job, rendezvous }: { folder: RunFolder; job: JobFolder; rendezvous: Rendezvous },
  onDoing: (text: string) => void,
): Promise<RunningJob> {
  const { fence, endpoint, id, resume } = rendezvous;
  const { hosts } = hostTopology(request.plan) ?? { hosts: [] };
  const material = await prepareInputs(dependencies, request.plan);
  const here = { address: dependencies.address, isLeader: false };
  const from = resume === null ? undefined : { path: `${folder.train.checkpoints}/${resume.file}` };
  const part = {
    job,
    fence,
    material,
    meeting: { nodes: hosts.length, endpoint, id, here },
    resume: from && { ...from, planHash: resume?.planHash },
  };
  const waiting = createGpuWaitReporter((text) => onDoing(text ?? 'starts'), request.host);
  return launchOnHost(dependencies, request, part, waiting);
}

const describePart = (ending: JobOutcome): HostResult => ({
  outcome: 'exit' in ending ? ending.exit.reason : 'lost',
  cause: explainOutcome(ending),
});
