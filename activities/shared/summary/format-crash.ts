import type { TrainerExit } from '../../../configs/schema/index.ts';

/** Formats a crash by the first rank that failed, because the exit code of torchrun is always 1. */
export function formatCrash({ rootCause, code, signal, reason }: TrainerExit): string {
  if (rootCause === null) return `The trainer ended with ${signal ?? `code ${code}`}.`;
  // The hanging rank is unknown, because all ranks wait for each other.
  if (reason === 'hung') return firstLines(rootCause.message);
  const how = rootCause.signal ?? `code ${rootCause.exitCode}`;
  return `Rank ${rootCause.rank ?? '?'} ended with ${how}: ${firstLines(rootCause.message)}`;
}

const firstLines = (text: string): string => text.trim().split('\n').slice(0, 3).join(' ').slice(0, 600);
