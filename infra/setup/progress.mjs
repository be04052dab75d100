const terminalMs = 1_000;
const plainMs = 10_000;

/** Shows a line with the elapsed time: updated every second on a terminal, printed every 10 seconds elsewhere. */
export function showProgress(title) {
  const startMs = performance.now();
  const isTerminal = process.stderr.isTTY === true;
  const elapsed = () => `${Math.round((performance.now() - startMs) / 1_000)} s`;
  const tick = () => process.stderr.write(isTerminal ? liveLine(title, elapsed()) : `${title} … ${elapsed()}\n`);
  process.stderr.write(isTerminal ? liveLine(title, elapsed()) : `${title} …\n`);
  const timer = setInterval(tick, isTerminal ? terminalMs : plainMs);
  return {
    done: () => {
      clearInterval(timer);
      process.stderr.write(`${isTerminal ? '\r\x1b[K' : ''}${title} … done in ${elapsed()}\n`);
    },
    stop: () => {
      clearInterval(timer);
      if (isTerminal) process.stderr.write('\n');
    },
  };
}

/** Truncates to the terminal's width, because a line that wraps cannot be overwritten. */
function liveLine(title, elapsed) {
  const room = (process.stderr.columns ?? 80) - elapsed.length - 4;
  return `\r\x1b[K${title.slice(0, room)} … ${elapsed}`;
}
