import type { SweepInput } from '../../configs/schema/index.ts';
import { findLaggards } from './early-stop.ts';
import { control, watching } from '../support/policies.ts';
import type { SweepBoard } from './sweep-board.ts';

/** Collects the validations of all variants and stops those that fall behind the rule. Runs until it is cancelled. */
export async function watchSweep({ earlyStop }: SweepInput, board: SweepBoard): Promise<never> {
  for (;;) {
    board.addScores(await watching.watchVariants({ runs: board.validatedEpochs }));
    for (const { variant, runId, why } of earlyStop === undefined ? [] : findLaggards(earlyStop, board.variants)) {
      const afterEpoch = await stopAfterRunningEpoch(runId);
      if (afterEpoch !== null) board.change(variant, { stoppedEarly: `after epoch ${afterEpoch}: ${why}` });
    }
  }
}

/** Stops a run after its current epoch. Returns null if the run rejects the update; it then trains to its end. */
async function stopAfterRunningEpoch(runId: string): Promise<number | null> {
  try {
    return (await control.stopVariant({ runId })).afterEpoch;
  } catch {
    return null;
  }
}
