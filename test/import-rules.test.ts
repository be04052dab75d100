/** Tests that each import rule rejects what it forbids. `npm run check` applies the rules to the real tree. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import extractDepcruiseOptions from 'dependency-cruiser/config-utl/extract-depcruise-config';
import { expect, test } from 'vitest';
import { projectRoot } from './helpers/project.ts';

/** Returns the names of the rules that a tree of these files violates. */
async function brokenRules(files: Record<string, string>): Promise<string[]> {
  const root = await mkdtemp(`${tmpdir()}/everswin-rules-`);
  try {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(`${root}/${path}`), { recursive: true });
      await writeFile(`${root}/${path}`, text);
    }
    await symlink(`${projectRoot}/node_modules`, `${root}/node_modules`);
    await symlink(`${projectRoot}/package.json`, `${root}/package.json`);
    const folders = [...new Set(Object.keys(files).map((path) => path.split('/')[0] ?? ''))];
    const { forbidden } = await extractDepcruiseOptions(`${projectRoot}/.dependency-cruiser.mjs`);
    const options = { baseDir: root, tsPreCompilationDeps: true, doNotFollow: { path: 'node_modules' } };
    const { output } = await cruise(folders, { ...options, validate: true, ruleSet: { forbidden } });
    // With no reporter named, the output is the result object; the library types it as a union with text.
    return [...new Set((output as ICruiseResult).summary.violations.map(({ rule }) => rule.name))].sort();
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

const value = (name: string): string => `export const ${name} = 1;\n`;
const importing = (path: string, name = 'a'): string => `import { ${name} } from '${path}';\nconsole.log(${name});\n`;

test('import rules accept imports from lower layers', async () => {
  const tree = {
    'configs/names.ts': value('a'),
    'activities/shared/run/fence.ts': importing('../../../configs/names.ts') + value('b'),
    'activities/train/run-training.ts': importing('../shared/run/fence.ts', 'b'),
  };
  expect(await brokenRules(tree)).toEqual([]);
});

test.each([
  ['configs-is-the-contract', 'configs/names.ts', 'node:fs', {}],
  ['workflows-are-deterministic', 'workflows/train/decide.ts', 'node:fs', {}],
  [
    'workflows-are-deterministic',
    'workflows/train/decide.ts',
    '../../activities/train/a.ts',
    { 'activities/train/a.ts': '' },
  ],
  ['summary-is-pure', 'activities/shared/summary/a.ts', 'node:fs', {}],
  ['shared-is-plain-node', 'activities/shared/run/fence.ts', '@temporalio/activity', {}],
  ['activities-know-no-caller', 'activities/train/a.ts', '../../workflows/index.ts', { 'workflows/index.ts': '' }],
  ['activities-layer-0', 'activities/shared/run/a.ts', '../../train/b.ts', { 'activities/train/b.ts': '' }],
  ['activities-layer-2', 'activities/inputs/a.ts', '../train/b.ts', { 'activities/train/b.ts': '' }],
  ['workers-name-workflows-by-path', 'workers/gpu.ts', '../infra/stack/a.ts', { 'infra/stack/a.ts': '' }],
  ['infra-imports-workflow-types', 'infra/cli/a.ts', '../../workflows/index.ts', { 'workflows/index.ts': '' }],
  ['tests-are-not-imported', 'infra/cli/a.ts', '../../test/a.ts', { 'test/a.ts': '' }],
  ['declared-packages', 'infra/cli/a.ts', 'vitest', {}],
])('import rule %s refuses %s importing %s', async (rule, from, target, others) => {
  expect(await brokenRules({ ...others, [from]: importing(target) })).toContain(rule);
});

test('import rules refuse folders that import each other although no file does', async () => {
  const tree = {
    'infra/stack/a.ts': importing('../pages/b.ts') + value('c'),
    'infra/pages/b.ts': value('a'),
    'infra/pages/d.ts': importing('../stack/a.ts', 'c'),
  };
  expect(await brokenRules(tree)).toEqual(['no-folder-cycle']);
});
