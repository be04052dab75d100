import type { RetryPolicy } from './sources/download-request.ts';

const maxDelayMs = 30_000;

/** Half of it fixed, half by chance. @param faults how many came in a row, this one included. */
export const retryDelayMs = (
  faults: number,
  { initialDelayMs: firstWaitMs }: RetryPolicy,
  retryAfterMs: number | null,
): number => {
  const waitMs = Math.min(maxDelayMs, firstWaitMs * 2 ** (faults - 1));
  const askedMs = Math.min(maxDelayMs, retryAfterMs ?? 0);
  return Math.max(askedMs, waitMs / 2 + (Math.random() * waitMs) / 2);
};
