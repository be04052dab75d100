import { expect, test } from 'vitest';
import { generatedPages } from './generated-pages.ts';
import { readPage } from './pages.ts';

test.each(Object.entries(generatedPages))('%s equals its source', async (path, generate) => {
  expect(readPage(path), `${path} is out of date: run \`npm run contract\``).toBe(await generate());
});
