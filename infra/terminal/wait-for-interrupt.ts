/** Resolves on the first SIGINT, SIGTERM or SIGHUP, and ignores further ones while the program stops. */
export const waitForInterrupt = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });
