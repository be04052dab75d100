/** Finds sentences and table cells that are too long to read. */

/** Removes code blocks and the regions that `npm run contract` fills. */
const handwritten = (page: string): string =>
  page
    .replace(/^ *```[\s\S]*?^ *```$/gm, '\n')
    .replace(/<!-- (?:fields|metrics|recipes|variables): [\s\S]*?<!-- end -->/g, '\n')
    .replace(/<!--[\s\S]*?-->/g, '');

/** Returns a text as readers see it: links by their text, a code span as one word. */
const render = (text: string): string =>
  text
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\[([^\]]*)\]\[[^\]]*\]/g, '$1')
    .replace(/`[^`]*`/g, (code) => code.replaceAll(' ', '_'));

const isTableRow = (line: string): boolean => /^ *\|/.test(line);

/** Returns the sentences with more words than the limit. */
export function findLongSentences(page: string, limit: number): string[] {
  const lines = handwritten(page).split('\n');
  const blocks = lines
    .map((line) => {
      if (isTableRow(line) || /^#|^\[[^\]]+\]: /.test(line)) return '';
      return line.replace(/^ *(?:[-*]|\d+\.) /, '\n\n');
    })
    .join('\n')
    .split(/\n\s*\n/);
  return blocks
    .flatMap((block) =>
      render(block)
        .replace(/\s+/g, ' ')
        .trim()
        .split(/(?<=[.!?]["')*_]*) +/),
    )
    .filter((sentence) => sentence.split(' ').filter((word) => /[\p{L}\p{N}]/u.test(word)).length > limit);
}

/** Returns the table cells with more characters than the limit. */
export const findLongCells = (page: string, limit: number): string[] =>
  handwritten(page)
    .split('\n')
    .filter(isTableRow)
    .flatMap((line) => render(line.replaceAll('\\|', ' ')).split('|'))
    .map((cell) => cell.trim())
    .filter((cell) => cell.length > limit && !/^:?-+:?$/.test(cell));
