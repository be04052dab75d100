import { setTimeout as sleep } from 'node:timers/promises';

/** Polls until the result is not undefined. The timeout of the test limits the wait. */
export async function until<T>(poll: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const result = await poll();
    if (result !== undefined) return result;
    await sleep(100);
  }
}
