import type { Progress, TrainerEvent } from '../../../configs/schema/index.ts';

/** State of a run, folded from the events of its trainers: all readers of progress.jsonl compute the same state. */
export interface RunState {
  progress: Progress;
  /** Attempt number, as events carry it, of the watched trainer. */
  watched: number;
  /** Watched trainer; null before its `started` event. */
  trainer: TrainerState | null;
}

interface TrainerState {
  resumedFrom: string | null;
  /** Completed epochs and iterations at the start of the watched trainer. */
  startEpoch: number;
  startIteration: number;
  /** Completed epochs. */
  epoch: number;
  /** Completed iterations at the newest step event of the watched trainer. */
  iteration: number;
  /** Time at which the trainer completed its first step, derived from its first step event. */
  firstStepAt: number | null;
}

/** Without a running trainer there is no speed, so the time left is unknown. */
const noSpeed = { etaSeconds: null, imagesPerSecond: null, mfu: null } as const;

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
    ...noSpeed,
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
    case 'started': {
      const { epoch, iteration, iterationsPerEpoch, pids } = event;
      return { epoch, iteration, iterationsPerEpoch, pid: pids[0] ?? null, ...noSpeed };
    }
    case 'step': {
      const { epoch, iteration, loss, lr, etaSeconds, imagesPerSecond = null, mfu = null } = event;
      return { epoch, iteration, loss, lr, etaSeconds, imagesPerSecond, mfu };
    }
    case 'validation':
      return { bboxAP: event.bbox.AP, segmAP: event.segm.AP, validatedEpoch: event.epoch };
    case 'checkpoint':
      return { lastCheckpoint: event.file, checkpointNow: Math.max(before.checkpointNow, event.checkpointNow) };
    case 'ended':
      return { epoch: event.epoch, iteration: event.iteration, ...noSpeed };
    case 'epoch':
    case 'tested':
    case 'warning':
      return {};
    default:
      return event satisfies never;
  }
}

function watchTrainer(trainer: TrainerState | null, event: TrainerEvent): TrainerState | null {
  if (event.type === 'started') {
    const { resumedFrom, iteration, epoch } = event;
    return { resumedFrom, startEpoch: epoch, startIteration: iteration, epoch, iteration, firstStepAt: null };
  }
  if (trainer === null) return null;
  switch (event.type) {
    case 'step': {
      const laterSteps = Math.max(0, event.iteration - trainer.iteration - 1);
      const firstStepAt = trainer.firstStepAt ?? event.t - event.stepSeconds * laterSteps;
      // A step event carries the epoch in progress.
      return { ...trainer, firstStepAt, iteration: event.iteration, epoch: Math.max(trainer.epoch, event.epoch - 1) };
    }
    case 'validation':
    case 'checkpoint':
      return { ...trainer, epoch: Math.max(trainer.epoch, event.epoch) };
    case 'ended':
      return { ...trainer, iteration: event.iteration, epoch: event.epoch };
    case 'epoch':
    case 'tested':
    case 'warning':
      return trainer;
    default:
      return event satisfies never;
  }
}

/** Returns whether to signal an event: on state changes and once per epoch, because each signal adds to the history. */
export const isMilestone = (before: RunState, event: TrainerEvent): boolean =>
  event.attempt === before.watched &&
  (event.type === 'started' ||
    event.type === 'validation' ||
    event.type === 'ended' ||
    (event.type === 'checkpoint' && event.checkpointNow > before.progress.checkpointNow));
