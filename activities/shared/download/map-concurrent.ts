/**
 * Does the work for each item, so many at a time. The first fault stops the others; it is thrown once all have ended.
 * @throws the signal's reason, or the first fault.
 */
export async function mapConcurrent<T extends object>(
  items: readonly T[],
  { most, signal }: { most: number; signal: AbortSignal },
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const fault = new AbortController();
  const either = AbortSignal.any([signal, fault.signal]);
  let next = 0;
  const takeNext = (): T | undefined => items[next++];
  const lane = async (): Promise<void> => {
    for (let item = takeNext(); item !== undefined; item = takeNext()) {
      either.throwIfAborted();
      await work(item, either);
    }
  };
  const lanes = Array.from({ length: Math.min(most, items.length) }, () =>
    // Only the first reason stays.
    lane().catch((error: unknown) => fault.abort(error)),
  );
  await Promise.all(lanes);
  either.throwIfAborted();
}
