import { raceSignal } from './race-signal.ts';

/** What several downloads share: made once, handed to each. */
export interface DownloadLimits {
  readonly connections: number;
  /** Waits for a free connection, first come, first served. @returns how to give it back. */
  readonly takeConnection: (signal: AbortSignal) => Promise<() => void>;
  /** Books bytes that arrived. @returns how long their reader must rest to keep the rate, in milliseconds. */
  readonly pauseMsAfter: (bytes: number) => number;
}

export interface DownloadLimitSettings {
  readonly connections: number;
  /** Of all downloads together; undefined: as fast as they come. */
  readonly bytesPerSecond: number | undefined;
}

/** Shorter rests would cost more than they slow down. */
const minPauseMs = 10;

export const createDownloadLimits = ({ connections, bytesPerSecond }: DownloadLimitSettings): DownloadLimits => {
  let free = connections;
  const waiting: (() => void)[] = [];
  const giveBack = (): void => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  const takeConnection = async (signal: AbortSignal): Promise<() => void> => {
    signal.throwIfAborted();
    if (free > 0) free -= 1;
    else await waitForConnection(waiting, giveBack, signal);
    let given = false;
    return () => {
      if (!given) giveBack();
      given = true;
    };
  };

  let bookedUntilMs = 0;
  const restMsAfter = (bytes: number): number => {
    if (bytesPerSecond === undefined) return 0;
    const now = performance.now();
    bookedUntilMs = Math.max(bookedUntilMs, now) + (bytes / bytesPerSecond) * 1000;
    const restMs = bookedUntilMs - now;
    return restMs < minPauseMs ? 0 : restMs;
  };
  return { connections, takeConnection, pauseMsAfter: restMsAfter };
};

const waitForConnection = async (waiting: (() => void)[], giveBack: () => void, signal: AbortSignal): Promise<void> => {
  let take: () => void = () => undefined;
  const turn = new Promise<void>((resolve) => (take = resolve));
  waiting.push(take);
  try {
    await raceSignal(turn, signal);
  } catch (error) {
    const place = waiting.indexOf(take);
    // Its turn came in the very moment that it gave up.
    if (place < 0) giveBack();
    else waiting.splice(place, 1);
    throw error;
  }
};
