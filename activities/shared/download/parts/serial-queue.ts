/** Runs one piece of work after the other, in the order of asking. */
export type SerialQueue = <T>(work: () => Promise<T>) => Promise<T>;

/** For writes to one file: the kernel lets only one of them in, and those that wait for it burn a core by spinning. */
export const createSerialQueue = (): SerialQueue => {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work, work);
    last = next;
    return next;
  };
};
