/**
 * Shifts `Date` of a worker by the seconds in a file, to inject jumps of the wall clock. Timers and `performance.now` do
 * not change, as with a real jump. Import this module first.
 */
import { readFileSync } from 'node:fs';

const RealDate = Date;
const readEveryMs = 20;

export function shiftClockBy(path: string): void {
  let readAt = -Infinity;
  let shiftMs = 0;
  const now = () => {
    if (performance.now() - readAt > readEveryMs) {
      readAt = performance.now();
      shiftMs = readShift(path) * 1000;
    }
    return RealDate.now() + shiftMs;
  };
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, argv, newTarget) =>
      Reflect.construct(target, argv.length === 0 ? [now()] : argv, newTarget) as Date,
    apply: () => new RealDate(now()).toString(),
    get: (target, key) => (key === 'now' ? now : (Reflect.get(target, key) as unknown)),
  });
}

function readShift(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return 0;
  }
}
