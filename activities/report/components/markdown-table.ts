import { replaceControlCharacters } from './markup.ts';

/** Renders a Markdown table. A heading that ends in a colon right-aligns its column. */
export function tabulate(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = headings.map((heading) => heading.replace(/:$/, ''));
  const rule = `| ${headings.map((heading) => (heading.endsWith(':') ? '--:' : '---')).join(' | ')} |`;
  return [printRow(head), rule, ...rows.map(printRow)].join('\n');
}

const printRow = (cells: readonly string[]): string => `| ${cells.map(escapeMarkdown).join(' | ')} |`;

/** Returns the text on one line, with Markdown and HTML syntax escaped. */
export const escapeMarkdown = (text: string): string =>
  replaceControlCharacters(text)
    .replace(/\s*\n\s*/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\\`*_{}[\]|#~]/g, (character) => `\\${character}`);
