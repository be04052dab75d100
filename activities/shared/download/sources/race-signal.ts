/** Settles with the promise or rejects with the reason of the signal, whichever comes first. Does not stop the work. */
export const raceSignal = async <T>(work: Promise<T>, signal: AbortSignal): Promise<T> => {
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => (onAbort = resolve));
  signal.addEventListener('abort', onAbort, { once: true });
  const rejectOnAbort = async (): Promise<T> => {
    if (!signal.aborted) await aborted;
    signal.throwIfAborted();
    return work;
  };
  try {
    return await Promise.race([rejectOnAbort(), work]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
};
