/** Settles only when nothing is under way any more, also after a failure, which stops what has not begun. */
export const workInParallel = async <T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> => {
  const queue = items.values();
  let failed = false;
  const takeTurns = async (): Promise<void> => {
    for (const item of queue) {
      if (failed) return;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const turns = Array.from({ length: atOnce }, takeTurns);
  await Promise.allSettled(turns);
  await Promise.all(turns);
};
