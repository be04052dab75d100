import type { StepOutcome } from '../../../configs/schema/index.ts';

/** @param hit an earlier result was served. */
export const stepOutcome = (step: StepOutcome['step'], hit: boolean, why: string): StepOutcome => ({
  step,
  hit,
  why: `${hit ? 'hit' : 'miss'}: ${why}`,
});
