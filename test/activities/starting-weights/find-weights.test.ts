import { mkdir, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { createFindWeights } from '../../../activities/starting-weights/find-weights.ts';
import { modelKeys, objectKeys } from '../../../configs/names.ts';
import { runFolder } from '../../../configs/paths.ts';
import { mirrorKeys } from '../../../configs/schema/run-pointer.ts';
import { startingWeights } from '../../../configs/schema/plan-weights.ts';
import {
  RunInput,
  type FlattenedRecipe,
  type Report,
  type RunPlan,
  type TrainerExit,
} from '../../../configs/schema/index.ts';
import { storeKinds, useBothStores } from '../../helpers/both-stores.ts';
import { fillRegistry } from '../../fixtures/sample-registry.ts';
import { sampleAnalysis } from '../../fixtures/sample-analysis.ts';
import { samplePlan, sampleReport } from '../../fixtures/sample-report.ts';

const stores = useBothStores();
const bytes = 7;
const { checkpoint, checkpointSha256: sha256 } = sampleReport().metrics;
const { recipeSettings } = sampleReport();
const ours: FlattenedRecipe = {
  v: 1,
  name: 'cascade-mask-rcnn_swin-s_blog',
  text: '',
  settings: recipeSettings,
  sha256: 'a'.repeat(64),
  maxEpochs: 36,
  summary: samplePlan.recipe.summary,
};

/** Creates a home with an artifact store, whose runs and models the search sees. */
function createPlace(kind: (typeof storeKinds)[number], name: string) {
  const home = `${stores.folder()}/${name}`;
  const store = stores.open(kind, name);
  const nothing = stores.open('a folder', `${name}-local`);
  const address = kind === 'a folder' ? 'local' : 's3://bucket/everswin';
  const find = createFindWeights({
    home,
    catalog: { redirectHosts: [], datasets: {}, weights: {} },
    openStore: (asked) => (asked === address ? store : nothing),
  });
  const input = (detector: string) =>
    RunInput.parse({ ...samplePlan.input, name: 'next', weights: { detector }, artifacts: { store: address } });
  const put = async (key: string, content: unknown) => {
    await mkdir(home, { recursive: true });
    await writeFile(`${home}/file`, JSON.stringify(content));
    await store.put(key, `${home}/file`);
  };
  return {
    home,
    store,
    put,
    input,
    /** Returns the planned detector, or the message of the refusal. */
    find: async (detector: string, recipe = ours) => {
      const weights = await find(input(detector), { runId: 'next', recipe }, AbortSignal.timeout(20_000));
      return startingWeights(weights);
    },
    /** Writes a finished run: its report, and its checkpoint on this disk or in the store. */
    finishRun: async (runId: string, where: 'disk' | 'store' | 'nowhere', over: Partial<Report> = {}) => {
      const report = { ...sampleReport(), runId, ...over };
      await put(objectKeys.report(runId, 'report.json'), report);
      await put(objectKeys.report(runId, 'analysis.json'), sampleAnalysis());
      const folder = runFolder(home, runId);
      await mkdir(folder.train.checkpoints, { recursive: true });
      if (where === 'disk') await writeFile(`${folder.train.checkpoints}/${checkpoint}`, 'weights');
      const named = { file: checkpoint, bytes, sha256, epoch: 1, iteration: 2, planHash: sha256, fence: 3 };
      const pointer = { v: 1, fence: 3, host: 'gone', checkpoints: [named], updatedAt: 1 };
      if (where === 'store') await store.replace(mirrorKeys(runId).pointer, JSON.stringify(pointer), { ifMatch: null });
    },
  };
}

describe.each(storeKinds)('findWeights with results in %s', (kind) => {
  const nameOf = (test: string) => `${test}-${kind.slice(2)}`;

  test('finds the tested checkpoint of a run by its hash, on this disk or in the store', async () => {
    const place = createPlace(kind, nameOf('runs'));
    await place.finishRun('here', 'disk');
    const { home } = place;
    expect(await place.find('run:here')).toMatchObject({
      part: 'detector',
      id: 'run:here',
      origin: expect.stringMatching(`^best checkpoint ${checkpoint} of run here, .* box AP 50.8`) as string,
      source: { file: checkpoint, bytes, sha256, urls: [`file://${home}/runs/here/train/checkpoints/${checkpoint}`] },
      classes: sampleAnalysis().classes.map(({ name }) => name),
    });
    await place.finishRun('gone', 'store');
    const { urls } = (await place.find('run:gone')).source;
    expect(urls).toEqual([`${place.store.address.replace(/\/$/, '')}/runs/gone/checkpoints/f3/${checkpoint}`]);
  });

  test('finds champion, candidate and version of a model', async () => {
    const place = createPlace(kind, nameOf('models'));
    const { versions } = await fillRegistry(place.store, { folder: `${stores.folder()}/scratch-${nameOf('models')}` });
    const [former, rejected, champion] = versions;
    const idOf = async (name: string) => /version (\S+)/.exec((await place.find(name)).origin ?? '')?.[1];
    expect(await idOf('model:shapes')).toBe(champion);
    expect(await idOf('model:shapes@champion')).toBe(champion);
    expect(await idOf(`model:shapes/${former}`)).toBe(former);
    const { source } = await place.find(`model:shapes/${rejected}`);
    expect(source.urls[0]).toContain(modelKeys('shapes').versionFile(rejected, 'weights.safetensors'));
    expect(source.sha256?.slice(0, 12)).toBe(rejected.split('@')[1]);
    await expect(place.find('model:shapes@candidate')).rejects.toThrow(/has no candidate at present. Versions: .*@/);
    await expect(place.find('model:shapes/shapes-x@0123456789ab')).rejects.toThrow(/no version shapes-x.*Versions: /);
    await expect(place.find('model:shape')).rejects.toThrow(/has no model shape.*shapes/);
  });
});

const crash: TrainerExit = {
  v: 1,
  attempt: 1,
  fence: 1,
  code: 1,
  signal: null,
  stopRequested: false,
  reason: 'crashed',
  rootCause: null,
  startedAt: 1,
  endedAt: 2,
};

describe('findWeights refuses', () => {
  test('a run that is unknown, has not finished, trained nothing or lost its checkpoint', async () => {
    const place = createPlace('a folder', 'refusals');
    await expect(place.find('run:none')).rejects.toThrow('there is no run none; this home holds no finished run');
    await place.finishRun('done', 'disk');
    await expect(place.find('run:dome')).rejects.toMatchObject({
      code: 'WeightsNotFound',
      message: expect.stringMatching(
        /there is no run dome in this home: did you mean "run:done"\? Finished runs: done\.$/m,
      ) as string,
    });
    await mkdir(runFolder(place.home, 'running').root, { recursive: true });
    await expect(place.find('run:running')).rejects.toThrow(/has not trained: .*everswin status running/);
    const { train } = runFolder(place.home, 'failed');
    await mkdir(train.dir, { recursive: true });
    await writeFile(train.exit, JSON.stringify(crash));
    await expect(place.find('run:failed')).rejects.toThrow(/its training failed. Start it again .*another run/);
    await expect(place.find('run:fail')).rejects.toThrow(/no run fail in this home. Finished runs: done\.$/m);
    const plan = { ...samplePlan, epochs: 0 };
    await place.finishRun('done.evaluation', 'disk', { plan });
    await expect(place.find('run:done.evaluation')).rejects.toThrow('is an evaluation, which trains nothing');
    await place.finishRun('pruned', 'nowhere');
    await expect(place.find('run:pruned')).rejects.toThrow(
      `the tested checkpoint ${checkpoint} of pruned is neither in`,
    );
  });

  test('weights of another architecture, with the settings that differ', async () => {
    const place = createPlace('a folder', 'architectures');
    await place.finishRun('small', 'disk');
    const model = {
      ...(recipeSettings['model'] as object),
      backbone: { type: 'SwinTransformer', depths: [2, 2, 6, 2] },
    };
    const tiny = { ...ours, name: 'tiny', settings: { model } };
    await expect(place.find('run:small', tiny)).rejects.toThrow(
      'recipe cascade-mask-rcnn_swin-s_blog, whose model differs: depth of the backbone is [2,2,18,2], tiny has [2,2,6,2]. Set recipe to',
    );
  });
});

test('findWeights takes a file as a mutable source, under a safe name', async () => {
  const place = createPlace('a folder', 'files');
  const urls = [`file://${place.home}/my%20best%23.pth`];
  await mkdir(place.home, { recursive: true });
  await writeFile(`${place.home}/my best#.pth`, 'weights');
  const expected = { source: { file: 'my_best_.pth', urls, bytes: null, sha256: null } };
  expect(await place.find(`${place.home}/my best#.pth`)).toMatchObject(expected);
  expect(await place.find(urls[0] ?? '')).toMatchObject(expected);
});

test('findWeights keeps the file of the first start when the run is started again', async () => {
  const place = createPlace('a folder', 'restart');
  const first = { id: 'model:shapes', source: { file: 'w.safetensors', urls: ['file:///w'], bytes, sha256 } };
  const plan: RunPlan = { ...samplePlan, weights: { detector: first }, input: place.input('model:shapes') };
  await mkdir(runFolder(place.home, 'next').root, { recursive: true });
  await writeFile(runFolder(place.home, 'next').plan, JSON.stringify(plan));
  expect(await place.find('model:shapes')).toEqual({ part: 'detector', ...first });
  await expect(place.find('model:shapes@champion')).rejects.toThrow('no model');
});

test('findWeights refuses a folder and names the weights in it', async () => {
  const place = createPlace('a folder', 'folder');
  await mkdir(`${place.home}/detector`, { recursive: true });
  await expect(place.find(`${place.home}/detector`)).rejects.toThrow('this is a folder; it holds no .pth');
  for (const file of ['model.pth', 'config.py', 'model.safetensors'])
    await writeFile(`${place.home}/detector/${file}`, '');
  await expect(place.find(`${place.home}/detector`)).rejects.toThrow(
    'name a file in it: model.pth, model.safetensors.',
  );
});
