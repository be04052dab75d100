import type { WriteStream } from 'node:tty';

/** Lines at the end of a terminal that are drawn over again, below others that stay. */
export interface LiveDisplay {
  /** A line that stays. */
  log: (line: string) => void;
  /** What stands at the end from now on. */
  update: (lines: readonly string[]) => void;
}

const eraseLinesAbove = (count: number): string => (count === 0 ? '' : `\u001b[${count}A\u001b[J`);

/** @param stream a terminal: anything else gets the lines that stay, and no block. */
export function createLiveDisplay(stream: Pick<WriteStream, 'write'> & Partial<WriteStream>): LiveDisplay {
  let shown: readonly string[] = [];
  if (stream.isTTY !== true) return { log: (line) => stream.write(`${line}\n`), update: () => undefined };
  const draw = (staying: string, lines: readonly string[]) => {
    // A line that wraps would be two, and the next drawing one line too low.
    const cut = lines.map((line) => line.slice(0, (stream.columns ?? 80) - 1));
    stream.write(`${eraseLinesAbove(shown.length)}${staying}${cut.map((line) => `${line}\n`).join('')}`);
    shown = lines;
  };
  return { log: (line) => draw(`${line}\n`, shown), update: (lines) => draw('', lines) };
}
