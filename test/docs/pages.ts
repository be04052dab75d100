/** The Markdown pages of the project, with their links and headings. */
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { projectFile } from '../../workers/env.ts';

/** Returns the files of a folder, below it too, with these endings. */
export const listFiles = (folder: string, endings: RegExp): string[] =>
  readdirSync(projectFile(folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => endings.test(name))
    .map((name) => `${folder}/${name}`)
    .sort();

export const docsPages = listFiles('docs', /\.md$/);

/** Every page that a reader may open. */
export const allPages = ['README.md', 'AGENTS.md', 'CHANGELOG.md', 'test/bench/README.md', ...docsPages];

export const readPage = (path: string): string => readFileSync(projectFile(path), 'utf8');

/** Removes what is no text for readers: code and comments. */
const withoutCode = (page: string): string =>
  page
    .replace(/^ *```[\s\S]*?^ *```$/gm, '')
    .replace(/<!--[\s\S]*?-->/g, '')
    .replace(/`[^`\n]*`/g, 'code');

/** Returns the targets of the links of a page that lead into the project, relative to its root. */
export function listLinks(path: string): string[] {
  const page = withoutCode(readPage(path));
  const inline = [...page.matchAll(/\]\(([^()\s]+)\)/g)];
  const named = [...page.matchAll(/^\[[^\]]+\]: (\S+)$/gm)];
  return [...inline, ...named]
    .map(([, target = '']) => target)
    .filter((target) => !/^\w+:/.test(target))
    .map((target) => {
      const [file = '', anchor] = target.split('#');
      const page = file === '' ? path : posix.join(posix.dirname(path), file);
      return anchor === undefined ? page : `${page}#${anchor}`;
    });
}

/** Returns the anchors that GitHub gives the headings of a page. */
export function listAnchors(path: string): Set<string> {
  const anchors = new Set<string>();
  const page = readPage(path).replace(/^ *```[\s\S]*?^ *```$/gm, '');
  for (const [, heading = ''] of page.matchAll(/^#{1,6} (.*)$/gm)) {
    const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll(/[`*]/g, '');
    const anchor = text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
    let unique = anchor;
    for (let count = 1; anchors.has(unique); count += 1) unique = `${anchor}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}
