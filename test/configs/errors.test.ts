import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { errorCatalogue, nonRetryableCodes } from '../../configs/errors.ts';
import { projectRoot } from '../helpers/project.ts';

/** `## Code` headings of the page, each with its text. */
async function readErrorPage(): Promise<Map<string, string>> {
  const page = await readFile(`${projectRoot}/docs/errors.md`, 'utf8');
  const sections = page.split(/^## /m).slice(1);
  return new Map(sections.map((section) => [section.slice(0, section.indexOf('\n')).trim(), section]));
}

test('every error of the catalogue is documented, and every documented error is in the catalogue', async () => {
  const page = await readErrorPage();
  expect([...page.keys()].sort()).toEqual(Object.keys(errorCatalogue).sort());
});

test('the page says of each error what the catalogue says: meaning, next step, tried again or not', async () => {
  const page = await readErrorPage();
  for (const [code, { meaning, nextStep, retryable }] of Object.entries(errorCatalogue)) {
    const section = page.get(code) ?? '';
    expect(section, code).toContain(meaning);
    expect(section, code).toContain(nextStep);
    expect(section, code).toContain(retryable ? 'Tried again: yes' : 'Tried again: no');
  }
});

test('bad input is never tried again', () => {
  expect(nonRetryableCodes).toContain('InvalidInput');
});
