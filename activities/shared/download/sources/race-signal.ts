/** Settles with the promise or rejects with the reason of the signal, whichever comes first. Does not stop the work. */
export const raceSignal = async <T>(work: Promise<T>, signal: AbortSignal): Promise<T> => {
  let wake: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => (wake = resolve));
  signal.addEventListener('abort', wake, { once: true });
  const orReason = async (): Promise<T> => {
    if (!signal.aborted) await aborted;
    signal.throwIfAborted();
    return work;
  };
  try {
    return await Promise.race([orReason(), work]);
  } finally {
    signal.removeEventListener('abort', wake);
  }
};
