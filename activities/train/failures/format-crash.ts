import type { TrainerExit } from '../../../configs/schema/index.ts';

/** The first rank that failed says more than the launcher, whose code is 1 whatever happened. */
export function formatCrash({ rootCause, code, signal, reason }: TrainerExit): string {
  if (rootCause === null) return `The trainer ended with ${signal ?? `code ${code}`}.`;
  // Which rank hangs is not known: each waits for the others.
  if (reason === 'hung') return firstLines(rootCause.message);
  const how = rootCause.signal ?? `code ${rootCause.exitCode}`;
  return `Rank ${rootCause.rank ?? '?'} ended with ${how}: ${firstLines(rootCause.message)}`;
}

const firstLines = (text: string): string => text.trim().split('\n').slice(0, 3).join(' ').slice(0, 600);
