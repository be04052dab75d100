import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { renderFailuresPage } from '../fixtures/failures-page.ts';
import { projectRoot } from '../helpers/project.ts';

/** Prettier pads the columns of tables. */
const squeeze = (page: string): string => page.replaceAll(/ +/g, ' ').replaceAll(/-{3,}/g, '---');

test('docs/reference/failures.md matches configs/failures.json', async () => {
  const page = await readFile(`${projectRoot}/docs/reference/failures.md`, 'utf8');
  expect(squeeze(page)).toBe(squeeze(renderFailuresPage()));
});
