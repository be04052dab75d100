import { readFile, readdir } from 'node:fs/promises';
import { posix } from 'node:path';
import { ESLint } from 'eslint';
import { expect, test } from 'vitest';
import { projectRoot } from './helpers/project.ts';

const folders = ['configs', 'workflows', 'activities', 'workers', 'infra'];

/** Which of our folders each folder may take values from. Data flows one way through them. */
const mayUse: Record<string, string[]> = {
  configs: ['configs'],
  workflows: ['workflows', 'configs'],
  'activities/lib': ['activities/lib', 'configs'],
  activities: ['activities', 'activities/lib', 'configs'],
  workers: ['workers', 'activities', 'activities/lib', 'configs'],
  infra: ['infra', 'configs'],
};

const roomOf = (path: string): string =>
  path.startsWith('activities/lib/') ? 'activities/lib' : (path.split('/')[0] ?? '');

async function listSources(): Promise<string[]> {
  const lists = await Promise.all(
    folders.map(async (folder) => {
      const files = await readdir(`${projectRoot}/${folder}`, { recursive: true });
      return files.filter((file) => file.endsWith('.ts')).map((file) => `${folder}/${file}`);
    }),
  );
  return lists.flat();
}

async function valueImports(path: string): Promise<string[]> {
  const text = await readFile(`${projectRoot}/${path}`, 'utf8');
  return [...text.matchAll(/^(?:import|export) (?!type )[^;]*?from '(\.[^']+)'/gms)].map((match) =>
    posix.join(posix.dirname(path), match[1] ?? ''),
  );
}

test('values are imported only along the flow of data', async () => {
  const wrong: string[] = [];
  for (const path of await listSources()) {
    for (const target of await valueImports(path)) {
      if (!mayUse[roomOf(path)]?.includes(roomOf(target))) wrong.push(`${path} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('no import goes round in a circle', async () => {
  const graph = new Map<string, string[]>();
  for (const path of await listSources()) graph.set(path, await valueImports(path));
  const circles: string[] = [];
  const visit = (path: string, trail: string[]): void => {
    if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
    else for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
  };
  for (const path of graph.keys()) visit(path, []);
  expect(circles).toEqual([]);
});

test.each([
  ['configs/names.ts', "import 'node:fs';"],
  ['workflows/train/decide.ts', "import { readFile } from 'node:fs/promises'; void readFile;"],
  ['workflows/train/decide.ts', "import { takeFence } from '../activities/shared/run/fence.ts'; void takeFence;"],
  ['activities/shared/run/fence.ts', "import { Context } from '@temporalio/activity'; void Context;"],
  ['activities/shared/temporal/failure.ts', "import { trainDetector } from '../workflows/index.ts'; void trainDetector;"],
  ['workers/gpu.ts', "import { startStack } from '../infra/stack/start-stack.ts'; void startStack;"],
  ['infra/client/connect.ts', "import { takeFence } from '../activities/shared/run/fence.ts'; void takeFence;"],
])('lint refuses in %s: %s', async (filePath, code) => {
  const [result] = await new ESLint({ cwd: projectRoot }).lintText(code, { filePath: `${projectRoot}/${filePath}` });
  expect(result?.messages.map(({ ruleId }) => ruleId)).toContain('@typescript-eslint/no-restricted-imports');
});
