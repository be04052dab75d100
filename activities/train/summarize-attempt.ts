import type { Attempt } from '../../configs/schema/index.ts';
import { readLogTail } from '../shared/files/log-tail.ts';
import { listResumableIterations } from '../shared/run/checkpoints.ts';
import type { JobOutcome, PythonCommand } from '../shared/trainer/trainer-process.ts';
import type { AttemptProgress } from './attempt-progress.ts';
import type { EnsuredTrainer } from './ensure-trainer.ts';
import { explainFailure, explainOutcome } from './failures/explain-failure.ts';
import { findPrimaryFailure } from './failures/primary-failure.ts';
import type { TrainingRequest } from './training-request.ts';

const tailLines = 20;

/** Builds the record of an attempt whose trainer ran. */
export async function summarizeAttempt(
  python: PythonCommand,
  { plan, attempt }: TrainingRequest,
  { folder, job, running, quarantined }: EnsuredTrainer,
  trainerOutcome: JobOutcome,
  { watched, startedAt }: AttemptProgress,
): Promise<Attempt> {
  const primary = await findPrimaryFailure(folder, plan, { job, owner: running.owner, outcome: trainerOutcome });
  const exit = 'exit' in primary.outcome ? primary.outcome.exit : null;
  const outcome = exit?.reason ?? 'crashed';
  const failed = outcome === 'crashed' || outcome === 'hung';
  const checkpoints = await listResumableIterations(folder, plan);
  return {
    attempt,
    ...watched,
    outcome,
    checkpointIteration: checkpoints[0] ?? null,
    host: primary.owner.host,
    checkpoints,
    quarantined,
    ...(failed
      ? await explainFailure(folder, primary, python)
      : { cause: explainOutcome(primary.outcome), failure: null }),
    logTail: failed ? await readLogTail(primary.job, tailLines) : [],
    startedAt,
    trainerEndedAt: exit?.endedAt ?? null,
    endedAt: Date.now() / 1000,
  };
}
