import { runFolder } from '../../configs/paths.ts';
import type { Attempt } from '../../configs/schema/index.ts';
import { ignoreStorageErrors } from '../shared/files/storage-error.ts';
import { listResumableIterations } from '../shared/run/checkpoints.ts';
import { ProgressReader } from '../shared/run/progress-reader.ts';
import { SupervisorStartError } from '../shared/trainer/start-job.ts';
import { CheckpointsLostError } from '../shared/run/saved-steps.ts';
import type { AttemptProgress } from './attempt-progress.ts';
import type { FailedStart } from './ensure-trainer.ts';
import { classifyFailedStart } from './failures/classify-failure.ts';
import type { TrainingRequest } from './training-request.ts';

/** Builds the record of an attempt whose trainer never ran. */
export async function summarizeFailedStart(
  home: string,
  { plan, attempt }: TrainingRequest,
  progress: AttemptProgress,
  { error, fence }: FailedStart,
): Promise<Attempt> {
  const folder = runFolder(home, plan.runId);
  const recorded = new ProgressReader(folder.train.progress);
  await ignoreStorageErrors(
    recorded.readNew((events) => progress.addTime(events)),
    undefined,
  );
  const lines = error instanceof SupervisorStartError ? error.lines : [];
  const checkpoints = await ignoreStorageErrors(listResumableIterations(folder, plan), []);
  return {
    attempt,
    ...progress.watched,
    fence,
    outcome: 'crashed',
    quarantined: error instanceof CheckpointsLostError ? error.quarantined : [],
    checkpoints,
    checkpointIteration: checkpoints[0] ?? null,
    cause: `The trainer could not be started: ${error.message}`,
    failure: classifyFailedStart(error, lines),
    logTail: lines,
    startedAt: progress.startedAt,
    trainerEndedAt: null,
    endedAt: Date.now() / 1000,
  };
}
