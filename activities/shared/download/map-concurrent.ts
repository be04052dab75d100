import pMap from 'p-map';

interface Concurrency {
  readonly concurrency: number;
  readonly signal: AbortSignal;
}

/**
 * Runs `work` for each item, at most `concurrency` at a time. The first error aborts the signal that `work` receives.
 * It is thrown only after all running work has settled, which p-map alone does not wait for.
 * @throws the signal's reason, or the first error.
 */
export async function mapConcurrent<T>(
  items: readonly T[],
  { concurrency, signal }: Concurrency,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failure = new AbortController();
  const combined = AbortSignal.any([signal, failure.signal]);
  const runItem = async (item: T): Promise<void> => {
    if (combined.aborted) return;
    try {
      await work(item, combined);
    } catch (error) {
      failure.abort(error);
    }
  };
  await pMap(items, runItem, { concurrency });
  combined.throwIfAborted();
}
