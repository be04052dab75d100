import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { readPage } from './pages.ts';

const isPath = (value: unknown): value is string => typeof value === 'string';

test('docs/reference/files.md names every file and folder of a run and of the home', () => {
  const run = runFolder('HOME', 'NAME');
  const paths = [homeFolders('HOME'), run, run.train, run.test]
    .flatMap((folder): unknown[] => Object.values(folder))
    .filter(isPath);
  expect(paths.length).toBeGreaterThan(40);
  const page = readPage('docs/reference/files.md');
  const names = new Set(paths.filter((path) => path !== run.root).map((path) => basename(path)));
  expect([...names].filter((name) => !page.includes(name))).toEqual([]);
});
