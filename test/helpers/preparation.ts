/** The steps before training, as a worker does them, with the real files of the demo from a real server. */
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
import { Catalog, RunInput, type RunPlan } from '../../configs/schema/index.ts';
import { startFileServer } from '../../infra/stack/file-server.ts';
import { createMiniRun, miniPlan } from './mini-run.ts';
import { mockEnvironment } from './mock-environment.ts';
import { projectRoot, python, recipesFolder } from './project.ts';

const inActivity = <T>(work: () => Promise<T>): Promise<T> => mockEnvironment().run<[], T, () => Promise<T>>(work);

export const readRunFile = async (name: string): Promise<RunInput> =>
  RunInput.parse(JSON.parse(await readFile(`${projectRoot}/configs/runs/${name}.json`, 'utf8')));

/** Draws data as `mini-coco` does: `--out` the demo's files, `--own` somebody's own. */
export const drawMiniCoco = (kind: '--out' | '--own', folder: string) =>
  execa(python, ['-m', 'everswin_trainer', 'mini-coco', kind, folder], {
    env: { PYTHONPATH: `${projectRoot}/trainer` },
  });

/** A home of its own, and a server of the demo's files. */
export async function createPreparation() {
  const folder = await mkdtemp(`${tmpdir()}/everswin-preparation-`);
  await drawMiniCoco('--out', `${folder}/demo`);
  const files = await startFileServer({ folder: `${folder}/demo`, port: 0 });
  const run = await createMiniRun();
  const { home, python: command } = run.dependencies;
  const catalog = Catalog.parse(JSON.parse(await readFile(`${projectRoot}/configs/catalog.json`, 'utf8')));

  const dependenciesOf = (isIdle: boolean): ActivityDependencies => {
    const place = {
      home,
      recipesFolder,
      catalog,
      demoUrl: isIdle ? 'http://127.0.0.1:9' : files.url,
      python: isIdle ? { executable: '/bin/false', env: {} } : command,
      s3: () => new S3Client({ region: 'us-east-1' }),
    };
    return { ...run.dependencies, ...place, preparer: createInputPreparer(place), versions: miniPlan.versions };
  };

  return {
    home,
    /** @param isIdle nobody answers downloads and no Python can be started. */
    async prepare(input: RunInput, isIdle = false) {
      const dependencies = dependenciesOf(isIdle);
      const plan = await inActivity(() => createResolvePlan(dependencies)(input));
      const dataset = await inActivity(() => createFetchDataset(dependencies)(plan));
      const weights = await inActivity(() => createFetchWeights(dependencies)(plan));
      const pinned = await inActivity(() => createPinPlan(dependencies)({ plan, dataset, weights }));
      return { plan: pinned, outcomes: [plan.recipeOutcome, dataset.outcome, weights.outcome], dataset, weights };
    },
    /** As whoever trains does before each attempt: nobody answers downloads, and no Python can be started. */
    fetchAgain: (plan: RunPlan) => inActivity(() => createFetchDataset(dependenciesOf(true))(plan)),
    async remove() {
      await files.close();
      await run.remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
