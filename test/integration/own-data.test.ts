/** Prepares configs/runs/own-data.json with data in a temporary folder. */
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { datasetKey } from '../../activities/plan/plan-hash.ts';
import { CodedError } from '../../activities/shared/errors/coded-error.ts';
import { RunInput } from '../../configs/schema/index.ts';
import { readRunInput } from '../../infra/cli/read-input.ts';
import { createPreparation, drawMiniCoco, readRunFile } from '../helpers/preparation.ts';

let folder: string;
let preparation: Awaited<ReturnType<typeof createPreparation>>;
let input: RunInput;

beforeEach(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-own-`);
  await drawMiniCoco('--own', folder);
  preparation = await createPreparation();
  const text = JSON.stringify(await readRunFile('own-data'));
  input = RunInput.parse(JSON.parse(text.replaceAll('/tmp/own-data', folder)));
});
afterEach(async () => {
  await preparation.remove();
  await rm(folder, { recursive: true });
});

const Annotations = z.looseObject({
  annotations: z.array(z.looseObject({ bbox: z.array(z.number()), segmentation: z.unknown() })),
  images: z.array(z.looseObject({ file_name: z.string() })),
});

async function damage(change: (annotations: z.infer<typeof Annotations>) => void): Promise<void> {
  const file = `${folder}/annotations/val.json`;
  const annotations = Annotations.parse(JSON.parse(await readFile(file, 'utf8')));
  change(annotations);
  await writeFile(file, JSON.stringify(annotations));
}

test('folders and annotations become a data set, which a second run reuses', async () => {
  const first = await preparation.prepare(input);
  expect(first.dataset).toMatchObject({ images: 120, classes: 3 });
  expect(first.plan.dataset.archives.map(({ file, sha256 }) => [file, sha256?.length])).toEqual([
    ['train-images', 64],
    ['val-images', 64],
    ['train.json', 64],
    ['val.json', 64],
  ]);
  const second = await preparation.prepare({ ...input, name: 'again' }, true);
  expect(second.outcomes.map(({ hit }) => hit)).toEqual([true, true, true]);
  expect(second.plan.planHash).toBe(first.plan.planHash);
  // The plan names the packed archives by their hashes.
  expect(await preparation.fetchAgain(first.plan)).toMatchObject({ root: first.dataset.root, outcome: { hit: true } });
});

test('the short form of a run file gives the same data, from paths relative to the file', async () => {
  const { catalog, dataset, ...rest } = input;
  const split = (name: string) => ({ images: name, annotations: `annotations/${name}.json` });
  const file = `${folder}/run.json`;
  const run = { ...rest, catalog: { weights: catalog.weights }, data: { train: split('train'), val: split('val') } };
  await writeFile(file, JSON.stringify(run));
  const short = await readRunInput(file);
  const { dataset: prepared, plan } = await preparation.prepare(short);
  expect([prepared, dataset]).toMatchObject([{ images: 120, classes: 3 }, 'parts-on-a-line']);
  expect(plan.dataset).toMatchObject({ id: 'own-data', train: { images: 'train-images' } });
  await rename(`${folder}/train`, `${folder}/training`);
  await expect(preparation.prepare(short)).rejects.toThrow(
    `It does not exist; ${folder} holds annotations, run.json, training, val. Did you mean "training"?`,
  );
});

test('a changed file changes the plan hash, and the miss names its archive', async () => {
  const first = await preparation.prepare(input);
  await damage(({ images }) => (images[0] = { ...images[0], file_name: images[0]?.file_name ?? '', note: 'reviewed' }));
  const second = await preparation.prepare(input);
  expect(second.plan.planHash).not.toBe(first.plan.planHash);
  expect(second.outcomes[1]?.why).toMatch(/^not cached, val\.json changed \([0-9a-f]{12} → [0-9a-f]{12}\)$/);
});

test('invalid data are reported with all problems at once', async () => {
  await damage(({ annotations, images }) => {
    for (const one of annotations.slice(0, 2)) one.segmentation = [];
    for (const one of images.slice(0, 1)) one.file_name = 'line 1/gone.jpeg';
  });
  const failure = await preparation.prepare(input).catch((error: unknown) => String(error));
  expect(failure).toContain('Data set parts-on-a-line is invalid');
  expect(failure).toContain('- val: listed, but not in val-images: 1 image ("line 1/gone.jpeg")');
  expect(failure).toMatch(/- val: has no "segmentation".*: 2 annotations \(id \d+, id \d+\)/);
});

test('masks are made from boxes on request', async () => {
  await damage(({ annotations }) => {
    for (const one of annotations) one.segmentation = [];
  });
  await expect(preparation.prepare(input)).rejects.toThrow('set "masks": "from-boxes" in the run\'s input');
  const { dataset, plan } = await preparation.prepare({ ...input, masks: 'from-boxes' });
  expect(dataset.warnings).toContainEqual(
    expect.stringMatching(/^val: the masks of (\d+) of \1 objects are made from boxes/),
  );
  expect(dataset.use?.val).toMatchObject({ images: 24, usableImages: 24 });
  expect(plan.dataset.contentKey).toBe(datasetKey(plan.dataset));
  expect(plan.dataset.contentKey).not.toBe(datasetKey({ ...plan.dataset, masks: undefined }));
});

test('a missing folder is refused at once with its path', async () => {
  await rm(`${folder}/train`, { recursive: true });
  const failure: unknown = await preparation.prepare(input).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(CodedError);
  expect(failure).toMatchObject({ code: 'DownloadRefused' });
  expect(String(failure)).toContain(`Cannot read ${folder}/train/ (ENOENT).`);
});

test('unusual data are reported as warnings', async () => {
  await damage(({ annotations }) => {
    for (const one of annotations.slice(0, 2)) one.bbox = [500, 500, 20, 20];
  });
  const { dataset } = await preparation.prepare(input);
  expect(dataset.warnings).toEqual([
    expect.stringMatching(/^val: is outside its image: training ignores it: 2 annotations \(id \d+, id \d+\)$/),
  ]);
});
