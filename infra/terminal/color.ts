import { styleText } from 'node:util';

type Format = Parameters<typeof styleText>[0];

/** Colors a text for stdout. Adds nothing if stdout is no terminal or NO_COLOR is set. */
export const color = (format: Format, text: string): string => styleText(format, text, { stream: process.stdout });

const endColors: Record<string, Format> = {
  done: 'green',
  failed: 'red',
  terminated: 'red',
  'timed out': 'red',
  cancelled: 'yellow',
  stalled: 'yellow',
};

/** Colors the state of a workflow, as formatState returns it. */
export const colorState = (state: string, width = 0): string =>
  color(endColors[state] ?? 'cyan', state) + ' '.repeat(Math.max(0, width - state.length));
