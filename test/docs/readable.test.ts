import { expect, test } from 'vitest';
import { findLongCells, findLongSentences } from './find-long-text.ts';
import { generatedPages } from './generated-pages.ts';
import { docsPages, readPage } from './pages.ts';

const handwrittenPages = ['README.md', ...docsPages.filter((path) => !(path in generatedPages))];

test('sentences of handwritten pages have at most 30 words', () => {
  const long = handwrittenPages.flatMap((path) =>
    findLongSentences(readPage(path), 30).map((text) => `${path}: ${text}`),
  );
  expect(long).toEqual([]);
});

test('table cells of handwritten pages have at most 120 characters', () => {
  const long = handwrittenPages.flatMap((path) => findLongCells(readPage(path), 120).map((text) => `${path}: ${text}`));
  expect(long).toEqual([]);
});

test('long sentences and cells are found in paragraphs, lists and tables', () => {
  const words = (count: number) => Array.from({ length: count }, () => 'word').join(' ');
  const page = `# Title\n\nShort. ${words(31)}.\n\n- Item\n  ${words(31)}: \`a code span\`.\n\n| ${'x'.repeat(121)} | [y](${'z'.repeat(200)}) |\n`;
  expect(findLongSentences(page, 30)).toHaveLength(2);
  expect(findLongCells(page, 120)).toEqual(['x'.repeat(121)]);
  expect(findLongSentences(`${words(16)}\n${words(14)}. ${words(30)}.\n`, 30)).toEqual([]);
  expect(
    findLongSentences(`<!-- fields: a -->\n\n${words(31)}\n\n<!-- end -->\n\`\`\`\n${words(31)}\n\`\`\`\n`, 30),
  ).toEqual([]);
});
