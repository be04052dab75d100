import { printParseErrorCode, visit } from 'jsonc-parser';
import { explainSyntaxError, type SyntaxProblem } from './explain-syntax.ts';

/**
 * Parses the bytes of a JSON file.
 * @throws Error that names the file, line and column, shows the line and explains the likely cause.
 */
export function parseJson(file: string, bytes: Buffer): unknown {
  const text = decode(file, bytes);
  if (text.trim() === '') throw new Error(`${file} is empty. Expected a JSON object in braces.`);
  const problems = findProblems(text);
  const [first, ...others] = problems;
  if (first !== undefined) throw new Error(formatProblem(file, text, first, others));
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not valid JSON: ${error instanceof Error ? error.message : ''}`, { cause: error });
  }
}

/** Decodes UTF-8 with or without byte order mark, and UTF-16 with one, which PowerShell writes. */
function decode(file: string, bytes: Buffer): string {
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    if (!text.includes('\0')) return text;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  throw new Error(`${file} is not a text file in UTF-8. Expected JSON. Save it as UTF-8, or name another file.`);
}

/** Finds syntax errors, and names that an object has twice: JSON.parse would drop the first value silently. */
function findProblems(text: string): SyntaxProblem[] {
  const errors: SyntaxProblem[] = [];
  const duplicates: SyntaxProblem[] = [];
  const open: { offset: number; names: Map<string, number> }[] = [];
  const begin = (offset: number) => {
    open.push({ offset, names: new Map() });
  };
  // At the end of the file, the parser also reports the end of objects that are not closed.
  const end = (offset: number) => {
    if (/[}\]]/.test(text.charAt(offset))) open.pop();
  };
  visit(
    text,
    {
      onObjectBegin: begin,
      onObjectEnd: end,
      onArrayBegin: begin,
      onArrayEnd: end,
      onObjectProperty: (name, offset) => {
        const names = open.at(-1)?.names;
        const earlier = names?.get(name);
        const message = `the field "${name}" is given twice, first in line ${lineOf(text, earlier ?? 0)}. Remove one of them`;
        if (earlier !== undefined) duplicates.push({ kind: 'duplicate', offset, message });
        names?.set(name, offset);
      },
      onError: (code, offset, length) =>
        errors.push(
          explainSyntaxError({ text, code: printParseErrorCode(code), offset, length, opened: open.at(-1)?.offset }),
        ),
    },
    { disallowComments: true },
  );
  return errors.length > 0 ? errors : duplicates;
}

/** Kinds of errors that do not cause further ones, so that all of a file can be listed. */
const independent = ['comment', 'trailing comma', 'duplicate'];

function formatProblem(file: string, text: string, first: SyntaxProblem, others: SyntaxProblem[]): string {
  const { offset, message, kind } = first;
  const line = lineOf(text, offset);
  const column = offset - text.lastIndexOf('\n', offset - 1);
  const similar = others
    .filter((one) => one.kind === kind && independent.includes(kind))
    .map((one) => lineOf(text, one.offset));
  const lines = [...new Set(similar)].filter((one) => one !== line);
  const also = lines.length === 0 ? '' : ` The same problem is in line ${lines.join(', ')}.`;
  const what = kind === 'duplicate' ? 'has a problem' : 'is not valid JSON';
  return `${file} ${what} in line ${line}, column ${column}: ${message.replace(/[^?]$/, '$&.')}${also}\n${showLine(text, line, column)}`;
}

const lineOf = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;

/** Width of the part of a long line that is shown. */
const shownWidth = 100;

/** Shows a line with its number, and a caret below the column. */
function showLine(text: string, line: number, column: number): string {
  const content = (text.split('\n')[line - 1] ?? '').replace(/\s/g, ' ').trimEnd();
  const start = content.length <= shownWidth ? 0 : Math.max(0, column - shownWidth / 2);
  const label = `  ${line} | `;
  return `${label}${content.slice(start, start + shownWidth)}\n${' '.repeat(label.length - 2)}| ${' '.repeat(column - 1 - start)}^`;
}
