import { setTimeout as sleep } from 'node:timers/promises';

/** Asks again and again until there is an answer. The test's own timeout ends a vain wait. */
export async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(100);
  }
}
