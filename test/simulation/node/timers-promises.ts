/** Replaces `node:timers/promises` for the activities. */
import { currentProcess } from '../machine/process.ts';

export const setTimeout = <T>(
  delayMs: number,
  value?: T,
  { signal }: { signal?: AbortSignal } = {},
): Promise<T | undefined> =>
  new Promise((resolve, reject) => {
    const timer = currentProcess().later(delayMs, () => resolve(value));
    const abort = () => {
      timer.action = undefined;
      const error = new Error('The operation was aborted', { cause: signal?.reason });
      reject(Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' }));
    };
    signal?.addEventListener('abort', abort);
    if (signal?.aborted === true) abort();
  });
