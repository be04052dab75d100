import { ActivityFailure, ApplicationFailure, sleep, TimeoutFailure } from '@temporalio/workflow';
import { errorCatalogue, type ErrorCode } from '../configs/errors.ts';
import type { Attempt, FetchedDataset, FetchedWeights, RunPlan } from '../configs/schema.ts';
import { decideNext } from './decide.ts';
import { training } from './policies.ts';
import type { StatusBoard } from './status-board.ts';

export interface TrainingMaterial {
  plan: RunPlan;
  dataset: FetchedDataset;
  weights: FetchedWeights;
}

/** Attempt after attempt until one finishes. What follows an ending is decided here and nowhere else. */
export async function trainUntilFinished(material: TrainingMaterial, board: StatusBoard): Promise<void> {
  for (let number = 1; ; number++) {
    const attempt = await runAttempt(material, number, board);
    const { next, why } = decideNext([...board.attempts, attempt]);
    board.record(attempt, { at: Date.now() / 1000, attempt: number, next, why });
    switch (next) {
      case 'test':
        return;
      case 'stop':
        throw failure('TrainerNoProgress', explainStop(attempt, why));
      case 'adopt':
      case 'again':
        await sleep('1 second'); // so that a trainer that dies at once cannot fill the history within minutes
        break;
      default:
        next satisfies never;
    }
  }
}

async function runAttempt(material: TrainingMaterial, number: number, board: StatusBoard): Promise<Attempt> {
  const startedAt = Date.now() / 1000;
  try {
    const summary = `attempt ${number}, epochs ${board.progress?.epoch ?? 0} → ${material.plan.epochs}`;
    return await training.runTraining.executeWithOptions({ summary }, [{ ...material, attempt: number }]);
  } catch (error) {
    const cause = lostWorkerCause(error);
    if (cause === undefined) throw error;
    const iteration = board.progress?.iteration ?? null;
    return {
      ...{ attempt: number, fence: null, ending: 'worker-lost', adopted: false, resumedFrom: null },
      ...{ fromIteration: null, toIteration: iteration, checkpointIteration: null },
      ...{ cause, logTail: [], startedAt, endedAt: Date.now() / 1000 },
    };
  }
}

/** Why nobody is left to say how the attempt ended; undefined when somebody did say it. */
function lostWorkerCause(error: unknown): string | undefined {
  if (!(error instanceof ActivityFailure)) return undefined;
  const { cause } = error;
  if (cause instanceof TimeoutFailure) return `The worker was not heard of any more (${cause.timeoutType} timeout).`;
  const stopping: ErrorCode = 'WorkerStopping';
  return cause instanceof ApplicationFailure && cause.type === stopping ? cause.message : undefined;
}

const explainStop = (attempt: Attempt, why: string): string =>
  [`Training ${why}.`, `The last cause: ${attempt.cause ?? 'unknown'}`, ...attempt.logTail].join('\n');

const failure = (code: ErrorCode, message: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(`${message}\nNext: ${errorCatalogue[code].nextStep}`, code);
