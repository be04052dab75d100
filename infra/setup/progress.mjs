const terminalMs = 1_000;
const plainMs = 10_000;

/** One line with the elapsed seconds: ticking in a terminal, a plain line now and then elsewhere. */
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

/** Cut to the terminal's width, because a line that wraps cannot be written over. */
function liveLine(title, elapsed) {
  const room = (process.stderr.columns ?? 80) - elapsed.length - 4;
  return `\r\x1b[K${title.slice(0, room)} … ${elapsed}`;
}
