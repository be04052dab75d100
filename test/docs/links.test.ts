import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { projectFile } from '../../workers/env.ts';
import { allPages, listAnchors, listFiles, listLinks, readPage } from './pages.ts';

/** Returns why a link leads nowhere, or undefined. */
function findBrokenLink(link: string): string | undefined {
  const [file = '', anchor] = link.split('#');
  if (!existsSync(projectFile(file))) return `${link}: ${file} does not exist`;
  if (anchor === undefined || listAnchors(file).has(anchor)) return undefined;
  return `${link}: ${file} has no such heading`;
}

test('links of all pages lead to files and headings that exist', () => {
  const broken = allPages.flatMap((page) =>
    listLinks(page).flatMap((link) => {
      const problem = findBrokenLink(link);
      return problem === undefined ? [] : [`${page}: ${problem}`];
    }),
  );
  expect(broken).toEqual([]);
});

test('pages that code and settings name exist, with their headings', () => {
  const sources = ['configs', 'activities', 'workflows', 'workers', 'infra', 'trainer', 'test'].flatMap((folder) =>
    listFiles(folder, /(?:\.(?:ts|mjs|json|py|ya?ml|service|env)|Containerfile)$/),
  );
  const named = sources.flatMap((path) => readPage(path).match(/\bdocs\/[\w/-]+\.md(?:#[a-z0-9-]+)?/g) ?? []);
  expect(named.length).toBeGreaterThan(10);
  expect([...new Set(named)].flatMap((link) => findBrokenLink(link) ?? [])).toEqual([]);
});
