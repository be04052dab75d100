import type { StepOutcome } from '../../../configs/schema/index.ts';

/** Builds the outcome of a cached step. @param hit whether an earlier result was reused. */
export const stepOutcome = (step: StepOutcome['step'], hit: boolean, why: string): StepOutcome => ({
  step,
  hit,
  why: `${hit ? 'cached' : 'not cached'}, ${why}`,
});
