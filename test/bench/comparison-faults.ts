/** Fault plan of test/bench/comparison.ts: each kind once, at drawn steps and in a drawn order. */
import { Random } from '../chaos/random.ts';

export const faultKinds = ['rank killed', 'launcher killed', 'machine killed', 'rank frozen', 'disk full'] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface PlannedFault {
  kind: FaultKind;
  /** The fault happens once the training has reached this step for the first time. */
  step: number;
}

export function planFaults(seed: string, targetStep: number): PlannedFault[] {
  const random = new Random(`comparison ${seed}`);
  const left = [...faultKinds];
  const part = (targetStep - 8) / faultKinds.length;
  return faultKinds.map((_, index) => {
    const kind = random.pick(left);
    left.splice(left.indexOf(kind), 1);
    // One fault in each equal part of the training, so that each costs something.
    return { kind, step: Math.floor(4 + part * (index + random.next())) };
  });
}
