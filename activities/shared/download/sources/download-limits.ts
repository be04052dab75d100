import { raceSignal } from './race-signal.ts';

/** Limits that several downloads share. */
export interface DownloadLimits {
  readonly connections: number;
  /** Waits for a free connection in FIFO order. Returns a function that releases it. */
  readonly takeConnection: (signal: AbortSignal) => Promise<() => void>;
  /** Records received bytes. Returns the pause in milliseconds that keeps the rate limit. */
  readonly pauseMsAfter: (bytes: number) => number;
}

interface DownloadLimitSettings {
  readonly connections: number;
  /** Total rate of all downloads; undefined for no limit. */
  readonly bytesPerSecond: number | undefined;
}

/** Shorter pauses are skipped, because timers are too coarse. */
const minPauseMs = 10;

export const createDownloadLimits = ({ connections, bytesPerSecond }: DownloadLimitSettings): DownloadLimits => {
  let free = connections;
  const waiting: (() => void)[] = [];
  const release = (): void => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  const takeConnection = async (signal: AbortSignal): Promise<() => void> => {
    signal.throwIfAborted();
    if (free > 0) free -= 1;
    else await waitForConnection(waiting, release, signal);
    let isReleased = false;
    return () => {
      if (!isReleased) release();
      isReleased = true;
    };
  };

  let bookedUntilMs = 0;
  const pauseMsAfter = (bytes: number): number => {
    if (bytesPerSecond === undefined) return 0;
    const now = performance.now();
    bookedUntilMs = Math.max(bookedUntilMs, now) + (bytes / bytesPerSecond) * 1000;
    const pauseMs = bookedUntilMs - now;
    return pauseMs < minPauseMs ? 0 : pauseMs;
  };
  return { connections, takeConnection, pauseMsAfter };
};

const waitForConnection = async (waiting: (() => void)[], release: () => void, signal: AbortSignal): Promise<void> => {
  let assign: () => void = () => undefined;
  const turn = new Promise<void>((resolve) => (assign = resolve));
  waiting.push(assign);
  try {
    await raceSignal(turn, signal);
  } catch (error) {
    const index = waiting.indexOf(assign);
    // The connection was assigned just before the abort.
    if (index < 0) release();
    else waiting.splice(index, 1);
    throw error;
  }
};
