import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGpuActivities } from '../../../../activities/index.ts';
import { Analysis, Bootstrap, EvalMetrics } from '../../../../configs/schema/index.ts';
import { createMiniRun, miniDataset, miniControl, miniPlan, miniWeights } from '../../../helpers/mini-run.ts';
import { mockEnvironment } from '../../../helpers/mock-environment.ts';
import { projectRoot, python } from '../../../helpers/project.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-analysis-`);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const read = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));

test('the trainer writes an analysis that matches the schemas, with every section filled', async () => {
  const program = `${projectRoot}/trainer/tests/programs/analyze_mini.py`;
  await promisify(execFile)(python, [program, folder], { env: { PYTHONPATH: `${projectRoot}/trainer` } });
  const analysis = Analysis.parse(await read(`${folder}/analysis.json`));
  expect(analysis.classes.map(({ name }) => name.length)).toEqual([6, 9, 8, 200]);
  expect(analysis.classes[3]).toMatchObject({ instances: 0, bbox: { AP: null, curve: null } });
  expect(analysis.classes[3]?.name).toMatch(/^<img src=x onerror=alert\(1\)>\?x+$/);
  expect(analysis.curves.segm.iou50?.[0]).toBeGreaterThan(0.5);
  expect(analysis.gallery.map(({ group }) => group)).toHaveLength(24);
  expect(analysis.gallery[0]?.predictions[0]?.outlines[0]?.length).toBeGreaterThanOrEqual(6);
  expect(analysis.bootstrap?.bbox.AP?.[0]).toBeGreaterThan(0);
  const bootstrap = Bootstrap.parse(await read(`${folder}/bootstrap.json`));
  expect(bootstrap.segm.AP).toHaveLength(50);
  expect((await stat(`${folder}/analysis.json`)).size).toBeLessThan(500_000);
});

test('the fake trainer writes an analysis to the paths of the run folder', async () => {
  const run = await createMiniRun();
  try {
    const { runTraining, runTest } = createGpuActivities(run.dependencies);
    const material = { plan: miniPlan, dataset: miniDataset, weights: miniWeights, control: miniControl };
    await mockEnvironment().run(runTraining, { ...material, attempt: 1, rollback: null, since: 0 });
    const metrics = EvalMetrics.parse(await mockEnvironment().run(runTest, { plan: miniPlan }));
    const analysis = Analysis.parse(await read(run.folder.analysis));
    expect(analysis.checkpointSha256).toBe(metrics.checkpointSha256);
    expect(analysis.classes.map(({ bbox }) => bbox.AP)).toEqual([metrics.bbox.AP, metrics.bbox.AP, metrics.bbox.AP]);
    expect(Bootstrap.parse(await read(run.folder.bootstrap)).resamples).toBe(analysis.bootstrap?.resamples);
  } finally {
    await run.remove();
  }
});
