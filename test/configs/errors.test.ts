import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { errorCatalogue, nonRetryableCodes } from '../../configs/errors.ts';
import { projectRoot } from '../helpers/project.ts';

/** Returns the sections of the page by their `## Code` heading. */
async function readErrorPage(): Promise<Map<string, string>> {
  const page = await readFile(`${projectRoot}/docs/reference/errors.md`, 'utf8');
  const sections = page.split(/^## /m).slice(1);
  return new Map(sections.map((section) => [section.slice(0, section.indexOf('\n')).trim(), section]));
}

test('docs/reference/errors.md lists exactly the codes of the catalogue', async () => {
  const page = await readErrorPage();
  expect([...page.keys()].sort()).toEqual(Object.keys(errorCatalogue).sort());
});

test('docs/reference/errors.md has the meaning, next step and retry of every code', async () => {
  const page = await readErrorPage();
  for (const [code, { meaning, nextStep, retryable }] of Object.entries(errorCatalogue)) {
    const section = page.get(code) ?? '';
    expect(section, code).toContain(meaning);
    expect(section, code).toContain(nextStep);
    expect(section, code).toContain(retryable ? 'Retried: yes' : 'Retried: no');
  }
});

test('InvalidInput is not retryable', () => {
  expect(nonRetryableCodes).toContain('InvalidInput');
});
