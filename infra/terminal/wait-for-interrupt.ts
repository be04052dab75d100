import { exitCodes } from './program.ts';

/** Resolves on the first SIGINT, SIGTERM or SIGHUP, and ignores further ones while the program stops. */
export const waitForInterrupt = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });

/** Waits for a result that does not depend on this program. On a signal, prints `goodbye` and exits with 130. */
export function untilInterrupted<T>(result: Promise<T>, goodbye: () => void): Promise<T> {
  void waitForInterrupt().then(() => {
    goodbye();
    process.exit(exitCodes.interrupted);
  });
  return result;
}

/** Runs work that leaves nothing when it is aborted. A signal aborts it, and ends the process with 130. */
export async function runInterruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stopped = new AbortController();
  void waitForInterrupt().then(() => stopped.abort());
  try {
    return await work(stopped.signal);
  } catch (error) {
    if (!stopped.signal.aborted) throw error;
    console.error('Interrupted. Nothing was written.');
    process.exit(exitCodes.interrupted);
  }
}
