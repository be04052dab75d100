import type { Progress, TrainerEvent } from '../../configs/schema.ts';

/** Where a run stands after some events of its trainer: a fold, so that any reader of progress.jsonl gets the same answer. */
export interface RunState {
  progress: Progress;
  resumedFrom: string | null;
  /** Iterations done when the newest trainer began, and in the newest checkpoint. */
  startIteration: number | null;
  checkpointIteration: number | null;
}

export const initialState = (attempt: number, epochs: number): RunState => ({
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
    pid: null,
  },
  resumedFrom: null,
  startIteration: null,
  checkpointIteration: null,
});

export function applyEvent(state: RunState, event: TrainerEvent): RunState {
  const advance = (change: Partial<Progress>): RunState => ({ ...state, progress: { ...state.progress, ...change } });
  switch (event.type) {
    case 'started':
      return {
        ...advance({ epoch: event.epoch, iteration: event.iteration, pid: event.pids[0] ?? null }),
        resumedFrom: event.resumedFrom,
        startIteration: event.iteration,
      };
    case 'step':
      return advance({
        epoch: event.epoch,
        iteration: event.iteration,
        loss: event.loss,
        lr: event.lr,
        etaSeconds: event.etaSeconds,
      });
    case 'validation':
      return advance({ bboxAP: event.bbox.AP, segmAP: event.segm.AP });
    case 'checkpoint':
      return { ...advance({ lastCheckpoint: event.file }), checkpointIteration: event.iteration };
    case 'ended':
      return advance({ epoch: event.epoch, iteration: event.iteration, etaSeconds: 0 });
    case 'tested':
    case 'warning':
      return state;
    default:
      return event satisfies never;
  }
}

/** Worth telling the workflow: at most once an epoch and at a change of state, because each signal adds to its history. */
export const isMilestone = (event: TrainerEvent): boolean =>
  event.type === 'started' || event.type === 'validation' || event.type === 'ended';
