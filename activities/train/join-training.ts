import { runFolder } from '../../configs/paths.ts';
import type { HostResult } from '../../configs/schema/index.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import type { TrainDependencies } from './dependencies.ts';
import { followJob } from './follow-job.ts';
import { adoptHostTrainer, summarizeHostTrainer } from './host-trainer.ts';
import { waitForRendezvous } from './rendezvous.ts';
import { startHostTrainer } from './start-host-trainer.ts';
import type { JoinRequest } from './training-request.ts';

/**
 * Runs this host's ranks of a training that another host leads: waits for the rendezvous, adopts or starts the ranks and
 * watches them. The leader reports progress, passes control updates on and summarizes the attempt.
 */
export const createJoinTraining =
  (dependencies: TrainDependencies) =>
  (request: JoinRequest): Promise<HostResult> => {
    let phase = 'waiting for the leader';
    return withHeartbeat(
      () => phase,
      () => joinAttempt(dependencies, request, (text) => (phase = text)),
    );
  };

async function joinAttempt(
  dependencies: TrainDependencies,
  request: JoinRequest,
  onPhase: (phase: string) => void,
): Promise<HostResult> {
  const folder = runFolder(dependencies.home, request.plan.runId);
  const job = folder.host(request.host);
  const rendezvous = await waitForRendezvous(folder, request.attempt);
  onPhase('starting');
  const trainer =
    (await adoptHostTrainer(job, rendezvous)) ??
    (await startHostTrainer(dependencies, request, job, rendezvous, (wait) => onPhase(wait ?? 'starting')));
  if (!('owner' in trainer)) return trainer;
  onPhase('training');
  // The leader reads the progress of all ranks.
  const follow = () =>
    followJob({
      job,
      running: trainer,
      fence: rendezvous.fence,
      progressFile: job.progress,
      drains: dependencies.drains,
      onEvents: () => undefined,
    });
  return summarizeHostTrainer(await dependencies.gpus.withGpusHeld(follow));
}
