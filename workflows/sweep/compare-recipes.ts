import { CancellationScope, CancelledFailure } from '@temporalio/workflow';
import type { SweepInput, SweepResult } from '../../configs/schema/index.ts';
import { endUnfinished } from '../train/end-unfinished.ts';
import { notifier, withNotifications } from '../support/notify.ts';
import { comparing } from '../support/policies.ts';
import { readSweep } from '../support/read-input.ts';
import { runVariant } from './run-variant.ts';
import { SweepBoard } from './sweep-board.ts';
import { watchSweep } from './watch-sweep.ts';

/**
 * Trains every variant as a separate run and reports the best one. All runs start at once and queue for the GPUs. If
 * one fails, the others continue. A restarted sweep joins existing runs and starts failed ones again.
 * @throws ApplicationFailure InvalidInput, or NotComparable if no variant finished.
 */
export async function compareRecipes(rawInput: unknown): Promise<SweepResult> {
  const input = readSweep(rawInput);
  const board = new SweepBoard(input);
  const { name, base, variants } = input;
  const title = `Sweep of ${variants.length} variants of ${base.recipe} on ${base.dataset}`;
  return withNotifications(notifier({ name, notify: base.notify }), title, formatResult, async () => {
    try {
      return await compare(input, board);
    } catch (error) {
      throw endUnfinished(board, error);
    }
  });
}

async function compare(input: SweepInput, board: SweepBoard): Promise<SweepResult> {
  await trainVariants(input, board);
  board.enter('comparing');
  const result = await comparing.writeComparison(board.toComparison(input));
  board.finish(result.verdict, result.uri);
  return { ...result, variants: board.summary };
}

const formatResult = ({ verdict, uri }: SweepResult): string => [...verdict, `Report: ${uri}`].join('\n');

async function trainVariants(input: SweepInput, board: SweepBoard): Promise<void> {
  const watch = new CancellationScope();
  const watched = watch.run(() => watchSweep(input, board)).catch(() => undefined);
  await Promise.all(input.variants.map((variant) => runVariant(input, variant, board)));
  watch.cancel();
  await watched;
  if (CancellationScope.current().consideredCancelled)
    throw new CancelledFailure('The sweep and its runs were cancelled. Each run can be resumed.');
}
