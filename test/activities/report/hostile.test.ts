import { expect, test } from 'vitest';
import { renderHtml } from '../../../activities/report/html.ts';
import { renderMarkdown } from '../../../activities/report/markdown.ts';
import { replaceControlCharacters } from '../../../activities/report/components/markup.ts';
import { hostileTexts } from '../../fixtures/hostile-texts.ts';
import { hostileAnalysis, hostileReport } from './hostile-report.ts';
import { readHtml } from './read-html.ts';

const known = 'cascade-mask-rcnn_swin-s_blog';
const benign = readHtml(renderHtml(hostileReport('benign'), hostileAnalysis('benign')));
const benignKnown = readHtml(renderHtml(hostileReport('benign', known)));
const benignPlaces = benign.texts.filter((text) => text.includes('benign')).length;

const rowsOf = (markdown: string): number[] =>
  markdown
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.replace(/\\./g, '').split('|').length);
const benignRows = rowsOf(renderMarkdown(hostileReport('benign'), hostileAnalysis('benign')));

test('the corpus has at least forty texts, each shown in many places of a page', () => {
  expect(hostileTexts.length).toBeGreaterThanOrEqual(40);
  expect(benignPlaces).toBeGreaterThan(40);
  expect(benign.texts.join('\n')).toContain('Object benign: missed');
});

test.each(hostileTexts.map((text) => [text]))('%j stays text in every place of the page', (text) => {
  const { tags, texts } = readHtml(renderHtml(hostileReport(text), hostileAnalysis(text)));
  expect(tags).toEqual(benign.tags);
  const shown = replaceControlCharacters(text);
  // The command to repeat a run holds it once more, in JSON's own escapes.
  expect(texts.filter((one) => one.includes(shown)).length).toBeGreaterThanOrEqual(benignPlaces - 1);
});

test.each(hostileTexts.map((text) => [text]))('%j is escaped in the comparison with a published model', (text) => {
  const { tags, texts } = readHtml(renderHtml(hostileReport(`x${text}`, known)));
  expect(tags).toEqual(benignKnown.tags);
  expect(texts).toContain(`x${replaceControlCharacters(text)} `);
  expect(texts.join('\n')).toContain(`MMDetection x${replaceControlCharacters(text)} `);
});

test.each(hostileTexts.map((text) => [text]))('%j does not change the tables of the Markdown page', (text) => {
  const page = renderMarkdown(hostileReport(text), hostileAnalysis(text));
  expect(rowsOf(page)).toEqual(benignRows);
  expect(page).not.toMatch(/[<>]/);
});
