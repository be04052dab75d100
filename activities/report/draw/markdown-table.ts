import { replaceControlCharacters } from './markup.ts';

/** A heading that ends in a colon stands over numbers: right-aligned. */
export function tabulate(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = headings.map((heading) => heading.replace(/:$/, ''));
  const rule = `| ${headings.map((heading) => (heading.endsWith(':') ? '--:' : '---')).join(' | ')} |`;
  return [printRow(head), rule, ...rows.map(printRow)].join('\n');
}

const printRow = (cells: readonly string[]): string => `| ${cells.map(escapeMarkdown).join(' | ')} |`;

/** On one line, with every sign that means something to Markdown or HTML made plain text. */
export const escapeMarkdown = (text: string): string =>
  replaceControlCharacters(text)
    .replace(/\s*\n\s*/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\\`*_{}[\]|#~]/g, (sign) => `\\${sign}`);
