/** A run whose checkpoints are all gone or damaged does not start from iteration 0 without permission. */
import { copyFile, mkdir, open, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { startMirror } from '../../../activities/mirror/run-mirror.ts';
import { readJson } from '../../../activities/shared/files/json-file.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { localStore } from '../../../activities/shared/store/local-store.ts';
import type { TrainingRequest } from '../../../activities/train/training-request.ts';
import { CheckpointManifest, type Attempt, type RunPlan } from '../../../configs/schema/index.ts';
import { createMiniRun, miniControl, miniPlan, type MiniRun } from '../../helpers/mini-run.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';

let run: MiniRun;
beforeEach(async () => {
  run = await createMiniRun('--kill-at-step', '25', '--fault-attempt', '1');
});
afterEach(() => run.remove());

const start = (attempt: number, over: Partial<TrainingRequest> = {}): Promise<Attempt> => {
  const { runTraining } = createGpuActivities(run.dependencies);
  const request = { plan: miniPlan, attempt, control: miniControl, rollback: null, since: 0 };
  return mockEnvironment().run(runTraining, { ...request, ...over });
};

const files = async (ending: string): Promise<string[]> => {
  const { checkpoints } = run.folder.train;
  const names = (await readdir(checkpoints)).filter((name) => name.endsWith(ending));
  return names.sort().map((name) => `${checkpoints}/${name}`);
};

const forEach = async (ending: string, damage: (path: string) => Promise<void>): Promise<void> => {
  for (const path of await files(ending)) await damage(path);
};

const flipBit = async (path: string): Promise<void> => {
  const file = await open(path, 'r+');
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 100);
    buffer[0] = (buffer[0] ?? 0) ^ 1;
    await file.write(buffer, 0, 1, 100);
  } finally {
    await file.close();
  }
};

const countStarts = async (): Promise<number> =>
  (await readProgress(run.folder.train.progress)).filter(({ type }) => type === 'started').length;

const faults: [string, () => Promise<void>][] = [
  ['every checkpoint is truncated', () => forEach('.pth', (path) => truncate(path, 100))],
  ['every checkpoint is empty', () => forEach('.pth', (path) => truncate(path, 0))],
  ['every checkpoint has a flipped bit', () => forEach('.pth', flipBit)],
  ['every checkpoint file is deleted', () => forEach('.pth', (path) => rm(path))],
  [
    'every checkpoint is a link to nowhere',
    () => forEach('.pth', (path) => rm(path).then(() => symlink('/nowhere/checkpoint.pth', path))),
  ],
  ['the manifests and files are deleted', () => forEach('', (path) => rm(path, { recursive: true }))],
  [
    'the manifests are torn and the progress is deleted',
    async () => {
      await forEach('.json', (path) => truncate(path, 20));
      await rm(run.folder.train.progress);
    },
  ],
  [
    'the manifests and the progress are deleted',
    async () => {
      await forEach('.json', (path) => rm(path));
      await rm(run.folder.train.progress);
    },
  ],
  [
    'the manifests are deleted and every checkpoint has a flipped bit',
    async () => {
      await forEach('.json', (path) => rm(path));
      await forEach('.pth', flipBit);
    },
  ],
  ['the checkpoint folder is deleted', () => rm(run.folder.train.checkpoints, { recursive: true })],
  [
    'the checkpoints are in quarantine and the progress is deleted',
    async () => {
      const { checkpoints, quarantine, progress } = run.folder.train;
      await mkdir(quarantine, { recursive: true });
      await forEach('.json', (path) => rename(path, path.replace(checkpoints, quarantine)));
      await forEach('.pth', (path) => rename(path, path.replace(checkpoints, quarantine)));
      await rm(progress);
    },
  ],
];

describe('an attempt asks before it starts from iteration 0', () => {
  test.each(faults)('when %s', async (_title, damage) => {
    await start(1);
    await damage();
    const attempt = await start(2);
    expect(attempt).toMatchObject({
      outcome: 'crashed',
      fromIteration: null,
      failure: { class: 'checkpoints-lost', reaction: 'ask-to-start-over' },
    });
    expect(attempt.failure?.evidence).toContain('e002-i000020.pth');
    expect(attempt.failure?.evidence).toContain(run.folder.train.checkpoints);
    // It looks again, and still does not start.
    expect((await start(3)).failure?.class).toBe('checkpoints-lost');
  });

  test('when its folder is gone and only the workflow knows what was saved', async () => {
    await start(1);
    await rm(run.folder.root, { recursive: true });
    const attempt = await start(2, { savedIteration: 20 });
    expect(attempt.failure).toMatchObject({ class: 'checkpoints-lost' });
    expect(attempt.failure?.evidence).toContain('iteration 20');
  });

  test('when the target of a rollback is gone', async () => {
    await start(1);
    await rm(`${run.folder.train.checkpoints}/e001-i000010.pth`);
    const rollback = { toIteration: 10, fence: 1, why: 'diverged at iteration 25' };
    expect((await start(2, { rollback })).failure?.class).toBe('checkpoints-lost');
  });

  test('when its only checkpoint cannot be read by the trainer', async () => {
    await start(1);
    const rollback = { toIteration: 0, fence: 1, why: 'the checkpoint could not be read' };
    expect((await start(2, { rollback })).failure?.class).toBe('checkpoints-lost');
  });
});

test.each<[string, (path: string) => Promise<void>]>([
  ['deleted', (path) => rm(path)],
  ['torn', (path) => truncate(path, 20)],
  ['empty', (path) => truncate(path, 0)],
])('an attempt resumes without asking when all manifests are %s', async (_title, damage) => {
  await start(1);
  const recorded = await Promise.all((await files('.json')).map((path) => readFile(path, 'utf8')));
  await forEach('.json', damage);
  const attempt = await start(2);
  expect(attempt).toMatchObject({ outcome: 'finished', resumedFrom: 'e002-i000020.pth', quarantined: [] });
  const rebuilt = await readJson(`${run.folder.train.checkpoints}/e002-i000020.json`, CheckpointManifest);
  const original = recorded.map((text) => CheckpointManifest.parse(JSON.parse(text)));
  expect(original.map((manifest) => ({ ...manifest, createdAt: rebuilt?.createdAt }))).toContainEqual(rebuilt);
});

test('an attempt does not resume from a discarded checkpoint whose move to the quarantine was interrupted', async () => {
  await start(1);
  const { checkpoints, quarantine } = run.folder.train;
  await mkdir(quarantine, { recursive: true });
  await rename(`${checkpoints}/e002-i000020.json`, `${quarantine}/e002-i000020.json`);
  expect((await start(2)).resumedFrom).toBe('e001-i000010.pth');
});

test('an attempt that starts over moves files without a manifest to the quarantine', async () => {
  await start(1);
  const names = (await files('.pth')).map((path) => path.split('/').at(-1));
  await forEach('.json', (path) => rm(path));
  await rm(run.folder.train.progress);
  const { fence } = await start(2);
  const rollback = { toIteration: 0, fence: fence ?? 0, why: 'kim starts over', startOver: true };
  expect(await start(3, { rollback })).toMatchObject({ outcome: 'finished', fromIteration: 0 });
  expect(await readdir(run.folder.train.quarantine)).toEqual(expect.arrayContaining(names));
});

test('an attempt starts from iteration 0 when nothing was saved before', async () => {
  run.dependencies.programs.train = () => ['-c', 'raise SystemExit(3)'];
  await start(1);
  expect((await start(2)).failure?.class).toBe('unknown'); // the trainer was started
});

test('an attempt resumes when a person has put a checkpoint back', async () => {
  await start(1);
  const [newest = ''] = (await files('.pth')).slice(-1);
  await copyFile(newest, `${run.dependencies.home}/kept.pth`);
  await copyFile(newest.replace('.pth', '.json'), `${run.dependencies.home}/kept.json`);
  await forEach('.pth', (path) => truncate(path, 100));
  await start(2);
  await copyFile(`${run.dependencies.home}/kept.pth`, newest);
  await copyFile(`${run.dependencies.home}/kept.json`, newest.replace('.pth', '.json'));
  expect(await start(3)).toMatchObject({ outcome: 'finished', resumedFrom: 'e002-i000020.pth' });
});

test('an attempt starts over when a person allows it, and later ones resume from the new checkpoints', async () => {
  await start(1);
  await forEach('.pth', (path) => truncate(path, 100));
  const { fence } = await start(2);
  expect(fence).not.toBeNull();
  const rollback = { toIteration: 0, fence: fence ?? 0, why: 'kim starts over', startOver: true };
  expect(await start(3, { rollback })).toMatchObject({ outcome: 'finished', fromIteration: 0, toIteration: 30 });
  // The permission covers only what was lost before it.
  await forEach('.pth', (path) => truncate(path, 100));
  expect((await start(4, { rollback })).failure?.class).toBe('checkpoints-lost');
  expect(await countStarts()).toBe(2);
});

describe('with a copy in the artifact store', () => {
  const plan: RunPlan = { ...miniPlan, input: { ...miniPlan.input, artifacts: { store: 's3://artifacts' } } };
  const copyToStore = async (): Promise<void> => {
    const store = localStore(`${run.dependencies.home}/store`);
    const mirror = startMirror({ store, folder: run.folder, runId: plan.runId, fence: 1, pollMs: 50 });
    await mirror.flush(AbortSignal.timeout(10_000));
    await mirror.stop();
  };

  test.each(faults.slice(-3))('an attempt resumes from it when %s', async (_title, damage) => {
    await start(1);
    await copyToStore();
    await damage();
    expect(await start(2, { plan })).toMatchObject({ outcome: 'finished', resumedFrom: 'e002-i000020.pth' });
  });

  test('an attempt asks when that copy is damaged too', async () => {
    await start(1);
    await copyToStore();
    await forEach('.pth', (path) => truncate(path, 100));
    const objects = `${run.dependencies.home}/store/runs/${plan.runId}/checkpoints/f1`;
    for (const name of await readdir(objects)) await writeFile(`${objects}/${name}`, 'damaged');
    const attempt = await start(2, { plan });
    expect(attempt.failure?.class).toBe('checkpoints-lost');
    expect(attempt.failure?.evidence).toContain('the artifact store holds no intact copy');
  });
});
