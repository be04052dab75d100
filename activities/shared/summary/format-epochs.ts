import type { Attempt, EpochChange } from '../../../configs/schema/index.ts';
import { formatInstant, formatPlural } from './format-time.ts';

interface TrainedRun {
  plan: { epochs: number };
  attempts: readonly Pick<Attempt, 'epoch'>[];
  epochChanges: readonly EpochChange[];
}

/** Returns the epochs that were trained: those of the plan, unless `stop-after` or `extend` changed them. */
export function trainedEpochs({ plan, attempts, epochChanges }: TrainedRun): number {
  const last = epochChanges.at(-1);
  return last === undefined ? plan.epochs : (attempts.at(-1)?.epoch ?? last.to);
}

/** Formats `10 epochs`, or `2 of 10 planned epochs`, `12 epochs, 10 planned`. */
export function formatTrainedEpochs(run: TrainedRun): string {
  const [trained, planned] = [trainedEpochs(run), run.plan.epochs];
  if (trained < planned) return `${trained} of ${formatPlural(planned, 'planned epoch')}`;
  return `${formatPlural(trained, 'epoch')}${trained === planned ? '' : `, ${planned} planned`}`;
}

/** Formats `maria asked for stop-after 2 instead of 10 on 2026-11-28 16:02 UTC`. */
export const formatEpochChange = ({ at, request, from, to, who }: EpochChange): string =>
  `${who ?? 'a client that gave no name'} asked for ${request} ${to} instead of ${from} on ${formatInstant(at)}`;
