import type { RetryPolicy } from './sources/download-request.ts';

const maxDelayMs = 30_000;

/**
 * Returns the delay before the next attempt: exponential with jitter, at least Retry-After.
 * @param failures in a row, including the last one.
 */
export const retryDelayMs = (
  failures: number,
  { initialDelayMs }: RetryPolicy,
  retryAfterMs: number | null,
): number => {
  const delayMs = Math.min(maxDelayMs, initialDelayMs * 2 ** (failures - 1));
  const requestedMs = Math.min(maxDelayMs, retryAfterMs ?? 0);
  return Math.max(requestedMs, delayMs / 2 + (Math.random() * delayMs) / 2);
};
