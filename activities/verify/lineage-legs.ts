import { isDeepStrictEqual } from 'node:util';
import type { TrainerEvent } from '../../configs/schema/index.ts';

export type StartedEvent = Extract<TrainerEvent, { type: 'started' }>;

/** Iterations of a run: those after `from`, up to and including `to`. */
export interface Stretch {
  from: number;
  to: number;
}

/** Part of a stretch that was trained with one plan, the same control values and the same number of ranks. */
export interface Leg extends Stretch {
  /** The first of its trainers. */
  trainer: StartedEvent;
}

/** Lists the trainers whose steps are part of the preserved lineage: one that starts at iteration i supersedes others. */
export function listTrainers(events: readonly TrainerEvent[]): StartedEvent[] {
  let trainers: StartedEvent[] = [];
  for (const event of events) {
    if (event.type !== 'started') continue;
    trainers = [...trainers.filter(({ iteration }) => iteration < event.iteration), event];
  }
  return trainers;
}

/** Returns the iterations of an epoch; undefined if no trainer reached it. */
export function findEpoch(trainers: readonly StartedEvent[], epoch: number): Stretch | undefined {
  const trainer = trainers.findLast((one) => one.epoch < epoch);
  return trainer && { from: (epoch - 1) * trainer.iterationsPerEpoch, to: epoch * trainer.iterationsPerEpoch };
}

/** Divides a stretch where another trainer continued with other settings. An interruption alone changes nothing. */
export function divideIntoLegs(trainers: readonly StartedEvent[], { from, to }: Stretch): Leg[] {
  const legs: Leg[] = [];
  for (const [index, trainer] of trainers.entries()) {
    const leg = {
      trainer,
      from: Math.max(from, trainer.iteration),
      to: Math.min(to, trainers[index + 1]?.iteration ?? to),
    };
    const before = legs.at(-1);
    if (leg.from >= leg.to) continue;
    if (before !== undefined && isDeepStrictEqual(settingsOf(before.trainer), settingsOf(trainer))) before.to = leg.to;
    else legs.push(leg);
  }
  return legs;
}

const settingsOf = ({ planHash, control, worldSize }: StartedEvent) => [planHash, control, worldSize];
