/** Resolves at the first Ctrl-C or SIGTERM. From then on further ones are ignored: stopping is under way. */
export const waitForInterrupt = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });
