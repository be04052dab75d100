/** What happened in a simulation, in order. Two simulations of one seed have the same trace. */
import { createHash, type Hash } from 'node:crypto';

export class Trace {
  readonly lines: string[] = [];
  private readonly hash: Hash = createHash('sha256');
  private readonly now: () => number;
  private readonly since: number;
  private readonly onLine: ((line: string) => void) | undefined;

  constructor(now: () => number, onLine?: (line: string) => void) {
    this.now = now;
    this.since = now();
    this.onLine = onLine;
  }

  readonly add = (text: string): void => {
    const line = `${((this.now() - this.since) / 1000).toFixed(3).padStart(9)} ${text}`;
    this.hash.update(line);
    this.lines.push(line);
    this.onLine?.(line);
  };

  /** Hash of all lines. Call it once, at the end. */
  digest(): string {
    return this.hash.digest('hex').slice(0, 16);
  }
}
