import type { RetryPolicy } from './sources/wanted-file.ts';

const longestWaitMs = 30_000;

/** Half of it fixed, half by chance. @param faults how many came in a row, this one included. */
export const waitMsAfter = (faults: number, { firstWaitMs }: RetryPolicy, retryAfterMs: number | null): number => {
  const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** (faults - 1));
  const askedMs = Math.min(longestWaitMs, retryAfterMs ?? 0);
  return Math.max(askedMs, waitMs / 2 + (Math.random() * waitMs) / 2);
};
