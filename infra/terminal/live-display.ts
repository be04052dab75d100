import type { WriteStream } from 'node:tty';
import { clipLine } from './layout.ts';

/** Status lines at the bottom of a terminal, updated in place below a scrolling log. */
interface LiveDisplay {
  /** Prints a permanent line. */
  log: (line: string) => void;
  /** Replaces the lines at the bottom. */
  update: (lines: readonly string[]) => void;
}

const eraseLinesAbove = (count: number): string => (count === 0 ? '' : `\u001b[${count}A\u001b[J`);

/** Creates a live display; a stream that is not a terminal only gets the permanent lines. */
export function createLiveDisplay(stream: Pick<WriteStream, 'write'> & Partial<WriteStream>): LiveDisplay {
  let current: readonly string[] = [];
  if (stream.isTTY !== true) return { log: (line) => stream.write(`${line}\n`), update: () => undefined };
  const draw = (permanent: string, lines: readonly string[]) => {
    // A line that wraps would take two rows, and the next update would erase one row too few.
    const cut = lines.map((line) => clipLine(line, stream.columns ?? 80));
    stream.write(`${eraseLinesAbove(current.length)}${permanent}${cut.map((line) => `${line}\n`).join('')}`);
    current = lines;
  };
  return { log: (line) => draw(`${line}\n`, current), update: (lines) => draw('', lines) };
}
