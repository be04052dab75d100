/** Replaces `node:timers/promises` for the activities. */
import { currentProcess } from '../machine/process.ts';

export const setTimeout = <T>(
  delayMs: number,
  value?: T,
  { signal }: { signal?: AbortSignal } = {},
): Promise<T | undefined> =>
  new Promise((resolve, reject) => {
    const timer = currentProcess().later(delayMs, () => resolve(value));
    signal?.addEventListener('abort', () => {
      timer.action = undefined;
      reject(signal.reason as Error);
    });
    if (signal?.aborted === true) reject(signal.reason as Error);
  });
