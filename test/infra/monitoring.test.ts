/** Checks the files of infra/monitoring. test/workers/metrics.test.ts compares the metrics that they name with a scrape. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { projectFile } from '../../workers/env.ts';
import { Dashboard, listQueries } from '../helpers/monitoring-files.ts';

const folder = projectFile('infra/monitoring');
const read = (path: string): Promise<string> => readFile(projectFile(path), 'utf8');
const promtool = (...argv: string[]) => execa('promtool', argv, { cwd: folder, reject: false, all: true });

const hasPromtool = (await promtool('--version')).exitCode === 0;
const title = hasPromtool ? 'promtool' : 'promtool (skipped: not installed; on Debian: apt-get install prometheus)';

describe.skipIf(!hasPromtool)(title, () => {
  test.each([
    ['check config prometheus.yml', 'is valid'],
    ['check rules alerts.yml', 'rules found'],
    ['test rules alerts.test.yml', 'SUCCESS'],
  ])('%s', async (argv, success) => {
    const { exitCode, all } = await promtool(...argv.split(' '));
    expect([exitCode, all]).toEqual([0, expect.stringContaining(success)]);
  });

  test('accepts the queries of the dashboard', async () => {
    const scratch = await mkdtemp(`${tmpdir()}/everswin-rules-`);
    const queries = listQueries(Dashboard.parse(JSON.parse(await read('infra/monitoring/dashboard.json'))));
    const rules = queries.map((expr, index) => ({ record: `query:${index}`, expr }));
    await writeFile(`${scratch}/rules.json`, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    const { exitCode, all } = await promtool('check', 'rules', `${scratch}/rules.json`);
    await rm(scratch, { recursive: true });
    expect([exitCode, all]).toEqual([0, expect.stringContaining(`${queries.length} rules found`)]);
  });
});

test('docs/reference/metrics.md and the tests of the alerts name every alert', async () => {
  const alerts = [...(await read('infra/monitoring/alerts.yml')).matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  const documented = [...(await read('docs/reference/metrics.md')).matchAll(/^\| `(Everswin\w+)`/gm)].map(
    ([, name]) => name,
  );
  expect(documented.sort()).toEqual(alerts.toSorted());
  const fired = [...(await read('infra/monitoring/alerts.test.yml')).matchAll(/alertname="(\w+)"/g)].map(
    ([, name]) => name,
  );
  expect([...new Set(fired)].sort()).toEqual(alerts.toSorted());
});

test('panels of the dashboard have different ids and do not overlap', async () => {
  const { panels } = Dashboard.parse(JSON.parse(await read('infra/monitoring/dashboard.json')));
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const [index, { title: name, gridPos: a }] of panels.entries()) {
    expect(a.x + a.w, name).toBeLessThanOrEqual(24);
    const overlaps = panels
      .slice(index + 1)
      .filter(({ gridPos: b }) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h);
    expect(
      overlaps.map((panel) => panel.title),
      name,
    ).toEqual([]);
  }
});
