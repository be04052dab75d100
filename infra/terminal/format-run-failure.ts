import { formatFailureTitle, listFailureRows } from '../../activities/shared/summary/run-failure.ts';
import type { RunFailure } from '../../configs/schema/index.ts';
import { color } from './color.ts';
import { labelLines, terminalWidth } from './layout.ts';

/** Formats why a run failed and what to do next. @param name that a command takes. */
export const formatRunFailure = (failure: RunFailure, name: string, width = terminalWidth()): string[] => [
  ...labelLines('failed', color('red', formatFailureTitle(failure)), width),
  ...listFailureRows(failure).flatMap(({ title, lines }) => labelLines(title.toLowerCase(), lines.join('\n'), width)),
  ...(failure.logTail.length === 0 ? [] : labelLines('log', `everswin logs ${name}`, width)),
];
