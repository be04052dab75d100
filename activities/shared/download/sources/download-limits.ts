import { raceSignal } from './race-signal.ts';

/** Limits that several downloads share. */
export interface DownloadLimits {
  readonly connections: number;
  /** Waits for a free connection in FIFO order. Returns a function that releases it. */
  readonly acquireConnection: (signal: AbortSignal) => Promise<() => void>;
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
  const acquireConnection = async (signal: AbortSignal): Promise<() => void> => {
    signal.throwIfAborted();
    if (free > 0) free -= 1;
    else await waitForConnection(waiting, release, signal);
    let isReleased = false;
    return () => {
      if (!isReleased) release();
      isReleased = true;
    };
  };

  let scheduledUntilMs = 0;
  const pauseMsAfter = (bytes: number): number => {
    if (bytesPerSecond === undefined) return 0;
    const now = performance.now();
    scheduledUntilMs = Math.max(scheduledUntilMs, now) + (bytes / bytesPerSecond) * 1000;
    const pauseMs = scheduledUntilMs - now;
    return pauseMs < minPauseMs ? 0 : pauseMs;
  };
  return { connections, acquireConnection, pauseMsAfter };
};

const waitForConnection = async (waiting: (() => void)[], release: () => void, signal: AbortSignal): Promise<void> => {
  let assign: () => void = () => undefined;
  const assigned = new Promise<void>((resolve) => (assign = resolve));
  waiting.push(assign);
  try {
    await raceSignal(assigned, signal);
  } catch (error) {
    const index = waiting.indexOf(assign);
    // The connection was assigned just before the abort.
    if (index < 0) release();
    else waiting.splice(index, 1);
    throw error;
  }
};
