import { runFolder, type RunFolder } from '../../configs/paths.ts';
import type { Attempt, Quarantined, RunPlan } from '../../configs/schema/index.ts';
import { readLogTail } from '../shared/files/log-tail.ts';
import { listResumableIterations } from '../shared/run/checkpoints.ts';
import { readProgress } from '../shared/run/progress-reader.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';
import type { AttemptProgress } from './attempt-progress.ts';
import { explainFailedStart, explainFailure, explainOutcome } from './failures/explain-failure.ts';
import type { PrimaryFailure } from './failures/primary-failure.ts';
import type { TrainingRequest } from './training-request.ts';

const tailLines = 20;

interface EndedAttempt {
  folder: RunFolder;
  plan: RunPlan;
  python: PythonCommand;
  attempt: number;
  fence: number;
  /** True if an earlier attempt started its trainer. */
  adopted: boolean;
  quarantined: Quarantined[];
  primary: PrimaryFailure;
  progress: AttemptProgress;
}

/** Builds the record of an attempt whose trainer ran. */
export async function summarizeAttempt(ended: EndedAttempt): Promise<Attempt> {
  const { folder, plan, python, attempt, fence, adopted, quarantined, primary, progress } = ended;
  const exit = 'exit' in primary.outcome ? primary.outcome.exit : null;
  const outcome = exit?.reason ?? 'crashed';
  const failed = outcome === 'crashed' || outcome === 'hung';
  const { trainer, progress: newest } = progress.state;
  const checkpoints = await listResumableIterations(folder, plan);
  return {
    attempt,
    fence,
    outcome,
    adopted,
    resumedFrom: trainer?.resumedFrom ?? null,
    fromIteration: trainer?.startIteration ?? null,
    toIteration: trainer === null ? null : newest.iteration,
    checkpointIteration: checkpoints[0] ?? null,
    fromEpoch: trainer?.startEpoch ?? null,
    epoch: trainer?.epoch ?? null,
    host: primary.owner.host,
    checkpoints,
    quarantined,
    ...(failed
      ? await explainFailure(folder, primary, python)
      : { cause: explainOutcome(primary.outcome), failure: null }),
    logTail: failed ? await readLogTail(primary.job, tailLines) : [],
    startedAt: progress.startedAt,
    firstStepAt: trainer?.firstStepAt ?? null,
    trainerEndedAt: exit?.endedAt ?? null,
    endedAt: Date.now() / 1000,
    ...progress.timeSpent,
  };
}

/** Builds the record of an attempt whose trainer never ran. */
export async function summarizeFailedStart(
  home: string,
  { plan, attempt }: TrainingRequest,
  progress: AttemptProgress,
  error: Error,
): Promise<Attempt> {
  const folder = runFolder(home, plan.runId);
  progress.addTime(await readProgress(folder.train.progress));
  const checkpoints = await listResumableIterations(folder, plan);
  return {
    attempt,
    fence: null,
    outcome: 'crashed',
    adopted: false,
    resumedFrom: null,
    quarantined: [],
    checkpoints,
    fromIteration: null,
    toIteration: null,
    checkpointIteration: checkpoints[0] ?? null,
    fromEpoch: null,
    epoch: null,
    host: null,
    ...explainFailedStart(error),
    startedAt: progress.startedAt,
    firstStepAt: null,
    trainerEndedAt: null,
    endedAt: Date.now() / 1000,
    ...progress.timeSpent,
  };
}
