import type { SweepInput } from '../../configs/schema/index.ts';
import { findLaggards } from './early-stop.ts';
import { control, watching } from '../support/policies.ts';
import type { SweepBoard } from './sweep-board.ts';

/** Learns of every validation, and asks those to stop that the rule finds clearly worse. Ends with its scope only. */
export async function watchSweep({ earlyStop }: SweepInput, board: SweepBoard): Promise<never> {
  for (;;) {
    board.addScores(await watching.watchVariants({ runs: board.validatedEpochs }));
    for (const { variant, runId, why } of earlyStop === undefined ? [] : findLaggards(earlyStop, board.variants)) {
      const afterEpoch = await stopAfterRunningEpoch(runId);
      if (afterEpoch !== null) board.change(variant, { stoppedEarly: `after epoch ${afterEpoch}: ${why}` });
    }
  }
}

/** Returns null for a run that does not accept the update; it continues, which costs only time. */
async function stopAfterRunningEpoch(runId: string): Promise<number | null> {
  try {
    return (await control.stopVariant({ runId })).afterEpoch;
  } catch {
    return null;
  }
}
