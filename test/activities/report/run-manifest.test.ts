import { createHash } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { addObject } from '../../../activities/shared/store/objects.ts';
import { planHash } from '../../../activities/plan/plan-hash.ts';
import { buildRunManifest, findManifestMismatches } from '../../../activities/report/run-manifest.ts';
import { homeFolders, runFolder } from '../../../configs/paths.ts';
import { RunManifest, type StoredFile } from '../../../configs/schema/index.ts';
import { miniDataset, miniPlan, miniWeights } from '../../helpers/mini-run.ts';
import { someMetrics } from '../../helpers/stub-activities.ts';

let home: string;
let manifest: RunManifest;
const plan = { ...miniPlan, planHash: planHash(miniPlan) };
const folderOf = () => runFolder(home, plan.runId);

async function store(content: string): Promise<StoredFile> {
  const file = `${home}/incoming`;
  await writeFile(file, content);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const { bytes } = await addObject(home, file, { sha256, name: content, origin: 'fetched from a test' });
  return { file: content, sha256, bytes };
}

beforeEach(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-manifest-`);
  const { root, train, metrics, report } = folderOf();
  const files = {
    [`${root}/plan.json`]: JSON.stringify(plan),
    [train.progress]: 'steps',
    [`${train.dir}/lock`]: '',
    [`${train.checkpoints}/e001-i000010.pth`]: 'weights',
    [`${train.checkpoints}/e001-i000010.json`]: '{}',
    [metrics]: 'twelve',
    [`${report}/index.html`]: '<p>',
    [`${train.checkpoints}/.half`]: 'torn',
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
  manifest = RunManifest.parse(
    await buildRunManifest(home, {
      plan,
      metrics: someMetrics,
      environment: { node: 'v20' },
      dataset: { ...miniDataset, archives: [await store('train.zip')] },
      weights: { ...miniWeights, source: await store('w.pth'), converted: await store('w.safetensors') },
    }),
  );
});
afterEach(() => rm(home, { recursive: true, force: true }));

test('buildRunManifest lists every result by hash, without temporary files and locks', () => {
  expect(manifest.files.map(({ path }) => path)).toEqual([
    'plan.json',
    'report/index.html',
    'test/metrics.json',
    'train/checkpoints/e001-i000010.json',
    'train/checkpoints/e001-i000010.pth',
    'train/progress.jsonl',
  ]);
  expect(manifest.planHash).toBe(plan.planHash);
});

test('findManifestMismatches returns nothing for an unchanged run', async () => {
  expect(await findManifestMismatches(home, manifest)).toEqual([]);
});

test('findManifestMismatches names every changed or missing file', async () => {
  await appendFile(`${folderOf().train.checkpoints}/e001-i000010.pth`, '!');
  await rm(folderOf().metrics);
  await rm(homeFolders(home).object(manifest.weights.source.sha256));
  await writeFile(folderOf().plan, JSON.stringify({ ...plan, seed: 8 }));
  expect(await findManifestMismatches(home, manifest)).toEqual([
    expect.stringMatching(/^plan\.json has the sha256 /),
    'test/metrics.json is missing',
    expect.stringMatching(/^train\/checkpoints\/e001-i000010\.pth has the sha256 .*, expected /),
    `w.pth (${manifest.weights.source.sha256}) has changed in the store`,
    expect.stringMatching(/^plan\.json has the plan hash /),
  ]);
});
