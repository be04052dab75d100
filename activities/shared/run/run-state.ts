import type { Progress, TrainerEvent } from '../../../configs/schema/index.ts';

/** Where a run stands after some events of its trainers: a fold, so that any reader of progress.jsonl gets the same answer. */
export interface RunState {
  progress: Progress;
  /** The attempt, as written on disk, whose trainer is watched. */
  watched: number;
  /** The watched trainer from its `started` on; null where it did not get that far. */
  trainer: WatchedTrainer | null;
}

export interface WatchedTrainer {
  resumedFrom: string | null;
  /** Whole epochs and iterations done when it began. */
  startEpoch: number;
  startIteration: number;
  /** Whole epochs done. */
  epoch: number;
  /** Iterations done at its newest step event. */
  iteration: number;
  /** When it had done its first step, reckoned back from its first step event. */
  firstStepAt: number | null;
}

export const initialState = (attempt: number, epochs: number, watched: number): RunState => ({
  progress: {
    v: 1,
    attempt,
    epoch: 0,
    epochs,
    iteration: 0,
    loss: null,
    lr: null,
    bboxAP: null,
    segmAP: null,
    etaSeconds: null,
    lastCheckpoint: null,
    checkpointNow: 0,
    pid: null,
    remote: null,
  },
  watched,
  trainer: null,
});

export function applyEvent(state: RunState, event: TrainerEvent): RunState {
  const trainer = event.attempt === state.watched ? watchTrainer(state.trainer, event) : state.trainer;
  return { ...state, trainer, progress: { ...state.progress, ...progressOf(event, state.progress) } };
}

function progressOf(event: TrainerEvent, before: Progress): Partial<Progress> {
  switch (event.type) {
    case 'started':
      return { epoch: event.epoch, iteration: event.iteration, pid: event.pids[0] ?? null };
    case 'step': {
      const { epoch, iteration, loss, lr, etaSeconds } = event;
      return { epoch, iteration, loss, lr, etaSeconds };
    }
    case 'validation':
      return { bboxAP: event.bbox.AP, segmAP: event.segm.AP, validatedEpoch: event.epoch };
    case 'checkpoint':
      return { lastCheckpoint: event.file, checkpointNow: Math.max(before.checkpointNow, event.order) };
    case 'ended':
      return { epoch: event.epoch, iteration: event.iteration, etaSeconds: 0 };
    case 'tested':
    case 'warning':
      return {};
    default:
      return event satisfies never;
  }
}

function watchTrainer(trainer: WatchedTrainer | null, event: TrainerEvent): WatchedTrainer | null {
  if (event.type === 'started') {
    const { resumedFrom, iteration, epoch } = event;
    return { resumedFrom, startEpoch: epoch, startIteration: iteration, epoch, iteration, firstStepAt: null };
  }
  if (trainer === null) return null;
  switch (event.type) {
    case 'step': {
      const further = Math.max(0, event.iteration - trainer.iteration - 1);
      const firstStepAt = trainer.firstStepAt ?? event.t - event.stepSeconds * further;
      // The epoch of a step is the one that runs.
      return { ...trainer, firstStepAt, iteration: event.iteration, epoch: Math.max(trainer.epoch, event.epoch - 1) };
    }
    case 'validation':
    case 'checkpoint':
      return { ...trainer, epoch: Math.max(trainer.epoch, event.epoch) };
    case 'ended':
      return { ...trainer, iteration: event.iteration, epoch: event.epoch };
    case 'tested':
    case 'warning':
      return trainer;
    default:
      return event satisfies never;
  }
}

/** Worth telling the workflow: at most once an epoch and at a change of state, because each signal adds to its history. */
export const isMilestone = (before: RunState, event: TrainerEvent): boolean =>
  event.attempt === before.watched &&
  (event.type === 'started' ||
    event.type === 'validation' ||
    event.type === 'ended' ||
    (event.type === 'checkpoint' && event.order > before.progress.checkpointNow));
