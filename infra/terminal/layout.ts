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
  const lines = text.split('\n').flatMap((line) => wrapWords(line, width - start));
  return lines.map((line, index) => `${indent}${(index === 0 ? name : '').padEnd(labelWidth)}${line}`);
}

/** Joins parts by two spaces, as many on a line as fit. */
export function joinParts(parts: readonly string[], width = terminalWidth()): string[] {
  const room = width - indent.length - labelWidth;
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last !== undefined && visibleLength(last) + 2 + visibleLength(part) < room)
      lines[lines.length - 1] = `${last}  ${part}`;
    else lines.push(part);
  }
  return lines;
}

/** Splits a line between words. A longer word, such as a path, keeps its own line. */
function wrapWords(text: string, width: number): string[] {
  if (visibleLength(text) < width) return [text];
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && visibleLength(last) + 1 + visibleLength(word) < width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Shortens a line to the width of the terminal. A shortened line loses its colors. */
export function clipLine(line: string, width = terminalWidth()): string {
  return visibleLength(line) < width ? line : `${stripVTControlCharacters(line).slice(0, width - 2)}…`;
}
