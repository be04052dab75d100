/** Layout for terminals: lines with a label, and tables, within the width of the terminal. */
import { stripVTControlCharacters } from 'node:util';

const labelWidth = 11;
const indent = '  ';

/** Returns the columns of stdout; Infinity if it is no terminal, because programs read whole lines. */
export const terminalWidth = ({ isTTY, columns }: Partial<NodeJS.WriteStream> = process.stdout): number =>
  isTTY === true ? (columns ?? 80) : Infinity;

const visibleLength = (text: string): number => stripVTControlCharacters(text).length;

/** Formats a text with its label, wrapped so that each line fits below the first. */
export function labelLines(name: string, text: string, width = terminalWidth()): string[] {
  const start = indent.length + labelWidth;
  // A longer word, such as a path, keeps its own line.
  const lines = text.split('\n').flatMap((line) => fillLines(line.split(' '), ' ', width - start));
  return lines.map((line, index) => `${indent}${(index === 0 ? name : '').padEnd(labelWidth)}${line}`);
}

/** Joins parts by two spaces, as many on a line as fit. */
export const joinParts = (parts: readonly string[], width = terminalWidth()): string[] =>
  fillLines(parts, '  ', width - indent.length - labelWidth);

/** Joins parts, as many on a line as fit. */
function fillLines(parts: readonly string[], separator: string, width: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    const longer = `${last ?? ''}${separator}${part}`;
    if (last !== undefined && visibleLength(longer) < width) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines;
}

/** Shortens a line to the width of the terminal. A shortened line loses its colors. */
export function clipLine(line: string, width = terminalWidth()): string {
  return visibleLength(line) < width ? line : `${stripVTControlCharacters(line).slice(0, width - 2)}…`;
}
