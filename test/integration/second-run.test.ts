/** The steps before training with the real files of the demo, twice: the second time nothing is done, and it is said why. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import { createFetchDataset } from '../../activities/fetch-dataset.ts';
import { createFetchWeights } from '../../activities/fetch-weights.ts';
import { createPinPlan } from '../../activities/pin-plan.ts';
import { createResolvePlan } from '../../activities/resolve-plan.ts';
import { homeFolders } from '../../configs/paths.ts';
import { Catalog, RunInput } from '../../configs/schema.ts';
import { createObtain } from '../../activities/lib/obtain/obtain.ts';
import { startFileServer, type FileServer } from '../../infra/file-server.ts';
import { createMiniRun, miniPlan, type MiniRun } from '../helpers/mini-run.ts';
import { mockEnvironment } from '../helpers/mock-environment.ts';
import { projectRoot, python, recipesFolder } from '../helpers/project.ts';

let files: FileServer;
let folder: string;
let run: MiniRun;
let demo: RunInput;
let catalog: Catalog;

beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-second-run-`);
  await execa(python, ['-m', 'everswin_trainer', 'mini-coco', '--out', `${folder}/demo`], {
    env: { PYTHONPATH: `${projectRoot}/trainer` },
  });
  files = await startFileServer({ folder: `${folder}/demo`, port: 0 });
  run = await createMiniRun();
  demo = RunInput.parse(JSON.parse(await readFile(`${projectRoot}/configs/runs/demo.json`, 'utf8')));
  catalog = Catalog.parse(JSON.parse(await readFile(`${projectRoot}/configs/catalog.json`, 'utf8')));
});
afterAll(async () => {
  await files.close();
  await run.remove();
  await rm(folder, { recursive: true, force: true });
});

const inActivity = <T>(work: () => Promise<T>): Promise<T> => mockEnvironment().run<[], T, () => Promise<T>>(work);

/** @param isIdle nobody answers downloads and no Python can be started. */
function dependenciesOf(isIdle: boolean): ActivityDependencies {
  const { home } = run.dependencies;
  const place = {
    ...{ home, recipesFolder, catalog, demoUrl: isIdle ? 'http://127.0.0.1:9' : files.url },
    python: isIdle ? { executable: '/bin/false', env: {} } : run.dependencies.python,
    s3: () => new S3Client({ region: 'us-east-1' }),
  };
  return { ...run.dependencies, ...place, obtain: createObtain(place), versions: miniPlan.versions };
}

async function prepare(input: RunInput, isIdle = false) {
  const dependencies = dependenciesOf(isIdle);
  const plan = await inActivity(() => createResolvePlan(dependencies)(input));
  const dataset = await inActivity(() => createFetchDataset(dependencies)(plan));
  const weights = await inActivity(() => createFetchWeights(dependencies)(plan));
  const pinned = await inActivity(() => createPinPlan(dependencies)({ plan, dataset, weights }));
  return { plan: pinned, outcomes: [plan.recipeOutcome, dataset.outcome, weights.outcome], dataset, weights };
}

test('a second run of the same input fetches, unpacks, converts and starts nothing before training, and says why', async () => {
  const first = await prepare(demo);
  expect(first.outcomes.map(({ step, why }) => [step, why])).toEqual([
    ['recipe', 'miss: never done here before'],
    ['dataset', 'miss: never done here before'],
    ['weights', 'miss: never done here before'],
  ]);
  expect(first.dataset).toMatchObject({ images: 120, classes: 3 });

  const second = await prepare({ ...demo, name: 'demo-again' }, true);
  expect(second.outcomes.map(({ hit }) => hit)).toEqual([true, true, true]);
  expect(second.outcomes[1]?.why).toMatch(/^hit: done on .* train2017\.zip, val2017\.zip, .* unchanged/);
  expect(second.plan.planHash).toBe(first.plan.planHash);
  expect(second.weights.path).toBe(first.weights.path);
}, 120_000);

test('an archive that was damaged in the store is fetched again, and nothing is trained on the damaged one', async () => {
  const { plan, dataset } = await prepare(demo);
  const [archive] = dataset.archives;
  const path = homeFolders(run.dependencies.home).object(archive?.sha256 ?? '');
  await execa('chmod', ['u+w', path]);
  await execa('truncate', ['--size', '-1', path]);
  await expect(prepare(demo, true)).rejects.toThrow();
  const mended = await prepare(demo);
  expect(mended.plan.planHash).toBe(plan.planHash);
  expect(mended.outcomes.map(({ hit }) => hit)).toEqual([true, true, true]);
}, 120_000);

test('a change of one thing is named as the reason for a miss, and fresh does everything again', async () => {
  await prepare(demo);
  const extracted = await prepare({ ...demo, extractImages: true });
  expect(extracted.outcomes[1]?.why).toBe('miss: images as files changed (false → true)');
  const fresh = await prepare({ ...demo, fresh: true });
  expect(fresh.outcomes.map(({ why }) => why)).toEqual(Array(3).fill('miss: done anew, as asked for'));
  expect(fresh.plan.planHash).toBe(extracted.plan.planHash);
}, 180_000);
