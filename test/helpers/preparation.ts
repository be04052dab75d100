/** Runs the steps before training with the real files of the demo from a real server. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { S3Client } from '@aws-sdk/client-s3';
import { execa } from 'execa';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import { createFetchDataset } from '../../activities/inputs/fetch-dataset.ts';
import { createFetchWeights } from '../../activities/inputs/fetch-weights.ts';
import { createInputPreparer } from '../../activities/inputs/input-preparer.ts';
import { createPinPlan } from '../../activities/plan/pin-plan.ts';
import { createResolvePlan } from '../../activities/plan/resolve-plan.ts';
import { createFindWeights } from '../../activities/starting-weights/find-weights.ts';
import { Catalog, RunInput, type RunPlan, type Versions } from '../../configs/schema/index.ts';
import { startFileServer } from '../../infra/stack/file-server.ts';
import { createMiniRun, miniPlan } from './mini-run.ts';
import { mockEnvironment } from './mock-environment.ts';
import { projectRoot, python, recipesFolder } from './project.ts';

const runInActivity = <T>(work: () => Promise<T>): Promise<T> => mockEnvironment().run<[], T, () => Promise<T>>(work);

export const readRunFile = async (name: string): Promise<RunInput> =>
  RunInput.parse(JSON.parse(await readFile(`${projectRoot}/configs/runs/${name}.json`, 'utf8')));

/** Generates data with `mini-coco`: the files of the demo (`--out`) or folders of a user (`--own`). */
export const drawMiniCoco = (kind: '--out' | '--own', folder: string) =>
  execa(python, ['-m', 'everswin_trainer', 'mini-coco', kind, folder], {
    env: { PYTHONPATH: `${projectRoot}/trainer` },
  });

const preparedBy: Versions = { ...miniPlan.versions, trainer: { dataset: 1, weights: 1 } };

/** Creates a temporary home and a server of the demo's files. */
export async function createPreparation() {
  const folder = await mkdtemp(`${tmpdir()}/everswin-preparation-`);
  await drawMiniCoco('--out', `${folder}/demo`);
  const files = await startFileServer({ folder: `${folder}/demo`, port: 0 });
  const run = await createMiniRun();
  const { home, python: command } = run.dependencies;
  const catalog = Catalog.parse(JSON.parse(await readFile(`${projectRoot}/configs/catalog.json`, 'utf8')));

  const createDependencies = (isOffline: boolean, versions = preparedBy): ActivityDependencies => {
    const place = {
      home,
      recipesFolder,
      catalog,
      demoUrl: isOffline ? 'http://127.0.0.1:9' : files.url,
      python: isOffline ? { executable: '/bin/false', env: {} } : command,
      s3: () => new S3Client({ region: 'us-east-1' }),
    };
    const { openStore } = run.dependencies;
    const findWeights = createFindWeights({ home, catalog, openStore });
    return {
      ...run.dependencies,
      ...place,
      findWeights,
      preparer: createInputPreparer(place),
      versions,
    };
  };

  return {
    home,
    /** @param isOffline whether downloads and starts of Python fail. */
    async prepare(input: RunInput, isIdle = false, versions = preparedBy) {
      const dependencies = createDependencies(isIdle, versions);
      const plan = await runInActivity(() => createResolvePlan(dependencies)(input));
      const dataset = await runInActivity(() => createFetchDataset(dependencies)(plan));
      const weights = await runInActivity(() => createFetchWeights(dependencies)(plan));
      const pinned = await runInActivity(() => createPinPlan(dependencies)({ plan, dataset, weights }));
      return { plan: pinned, outcomes: [plan.recipeOutcome, dataset.outcome, weights.outcome], dataset, weights };
    },
    /** Fetches the data set offline, as an attempt does before it trains. */
    fetchAgain: (plan: RunPlan) => runInActivity(() => createFetchDataset(createDependencies(true))(plan)),
    async remove() {
      await files.close();
      await run.remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
