import type { Attempt } from '../../configs/schema/index.ts';
import { readLogTail } from '../shared/files/log-tail.ts';
import { ignoreStorageErrors } from '../shared/files/storage-error.ts';
import { listResumableIterations } from '../shared/run/checkpoints.ts';
import type { JobOutcome, PythonCommand } from '../shared/trainer/trainer-process.ts';
import type { AttemptProgress } from './attempt-progress.ts';
import type { EnsuredTrainer } from './ensure-trainer.ts';
import { explainFailure, explainLostFolder, explainOutcome } from './failures/explain-failure.ts';
import { findPrimaryFailure } from './failures/primary-failure.ts';
import type { TrainingRequest } from './training-request.ts';

const tailLines = 20;

/** Builds the record of an attempt whose trainer ran. */
export async function summarizeAttempt(
  python: PythonCommand,
  { plan, attempt }: TrainingRequest,
  { folder, job, running, quarantined }: EnsuredTrainer,
  trainerOutcome: JobOutcome,
  { watched, startedAt, isFolderLost }: AttemptProgress,
): Promise<Attempt> {
  const primary = await findPrimaryFailure(folder, plan, { job, owner: running.owner, outcome: trainerOutcome });
  const exit = 'exit' in primary.outcome ? primary.outcome.exit : null;
  const outcome = isFolderLost ? 'crashed' : (exit?.reason ?? 'crashed');
  const failed = outcome === 'crashed' || outcome === 'hung';
  const checkpoints = await ignoreStorageErrors(listResumableIterations(folder, plan), []);
  const explain = () => (isFolderLost ? explainLostFolder(folder) : explainFailure(folder.train, primary, python));
  return {
    attempt,
    ...watched,
    outcome,
    checkpointIteration: checkpoints[0] ?? null,
    host: primary.owner.host,
    checkpoints,
    quarantined,
    ...(failed ? await explain() : { cause: explainOutcome(primary.outcome), failure: null }),
    logTail: failed ? await readLogTail(primary.job, tailLines) : [],
    startedAt,
    trainerEndedAt: exit?.endedAt ?? null,
    endedAt: Date.now() / 1000,
  };
}
