import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  findBestCheckpoint,
  findResumePoint,
  listResumableIterations,
} from '../../../../activities/shared/run/checkpoints.ts';
import type { RunPlan, TrainerEvent } from '../../../../configs/schema/index.ts';
import {
  createCheckpointFolder,
  readTorchCheckpoint,
  type CheckpointFolder,
} from '../../../helpers/checkpoint-folder.ts';
import { miniPlan } from '../../../helpers/mini-run.ts';

let run: CheckpointFolder;
beforeEach(async () => {
  run = await createCheckpointFolder();
});
afterEach(() => run.remove());

const fileOf = async (...asked: Parameters<CheckpointFolder['find']>) => (await run.find(...asked)).from?.manifest.file;
const quarantineFolder = () => readdir(run.folder.train.quarantine).catch(() => []);
const manifestOf = (file: string) => run.path(file.replace('.pth', '.json'));

describe('findResumePoint', () => {
  test('finds nothing without a folder', async () => {
    await run.remove();
    expect(await run.find()).toEqual({ from: undefined, quarantined: [] });
  });

  test('finds the checkpoint with the most iterations, regardless of file names', async () => {
    await run.save({ epoch: 9 });
    const newest = await run.save({ epoch: 10 });
    expect(await run.find()).toMatchObject({ from: { path: run.path(newest) }, quarantined: [] });
  });

  test.each([
    ['cut short', (file: string) => truncate(run.path(file), 5), /^it has 5 bytes, its manifest records 23$/],
    ['emptied', (file: string) => truncate(run.path(file), 0), /^it has 0 bytes/],
    ['changed', (file: string) => writeFile(run.path(file), 'weights of iteration 99'), /^its sha256 is/],
    ['missing', (file: string) => rm(run.path(file)), /^its file is missing$/],
    ['described by half a manifest', (file: string) => truncate(manifestOf(file), 20), /^its manifest does not parse/],
    ['described by an empty manifest', (file: string) => truncate(manifestOf(file), 0), /^its manifest does not parse/],
  ])('quarantines the newest checkpoint and finds the one before when that is %s', async (_how, damage, why) => {
    const whole = await run.save({ epoch: 1 });
    const newest = await run.save({ epoch: 2 });
    await damage(newest);
    const { from, quarantined } = await run.find();
    expect(from?.path).toBe(run.path(whole));
    expect(quarantined).toMatchObject([{ file: newest, why: expect.stringMatching(why) as unknown }]);
    expect(await readdir(run.folder.train.checkpoints)).not.toContain('e002-i000020.json');
    const reason: unknown = JSON.parse(await readFile(`${run.folder.train.quarantine}/e002-i000020.why.json`, 'utf8'));
    expect(reason).toMatchObject({ v: 1, file: newest, why: expect.stringMatching(why) as unknown });

    expect(await run.find()).toMatchObject({ from: { path: run.path(whole) }, quarantined: [] });
  });

  test('quarantines a checkpoint whose manifest names another file', async () => {
    const whole = await run.save({ epoch: 1 });
    const stranger = await run.save({ epoch: 2, file: 'e009-i000090.pth' });
    expect(await run.find()).toMatchObject({ from: { path: run.path(whole) }, quarantined: [{ file: stranger }] });
  });

  test('finds nothing and quarantines each checkpoint once when all are damaged', async () => {
    for (const epoch of [1, 2, 3]) await truncate(run.path(await run.save({ epoch })), epoch);
    const { from, quarantined } = await run.find();
    expect(from).toBeUndefined();
    expect(quarantined.map(({ file }) => file)).toEqual(['e003-i000030.pth', 'e002-i000020.pth', 'e001-i000010.pth']);
    expect(await run.find()).toEqual({ from: undefined, quarantined: [] });
  });

  test('leaves unfinished files to the trainer', async () => {
    await writeFile(run.path('.e001-i000010.pth.part'), 'half');
    await writeFile(run.path('e002-i000020.pth'), 'a file without a manifest');
    expect(await run.find()).toEqual({ from: undefined, quarantined: [] });
    expect((await readdir(run.folder.train.checkpoints)).sort()).toEqual([
      '.e001-i000010.pth.part',
      'e002-i000020.pth',
    ]);
  });

  test('ignores a file without a manifest, which an interrupted quarantine left', async () => {
    const newest = await run.save({ epoch: 2 });
    await rm(manifestOf(newest));
    expect(await run.find()).toEqual({ from: undefined, quarantined: [] });
  });

  test('moves nothing when a newer attempt holds the fence', async () => {
    await truncate(run.path(await run.save({ epoch: 1 })), 3);
    const assertFence = () => Promise.reject(new Error('superseded'));
    const request = { folder: run.folder, plan: miniPlan, rollback: null, assertFence };
    await expect(findResumePoint(request)).rejects.toThrow('superseded');
    expect(await quarantineFolder()).toEqual([]);
  });
});

describe('a torch checkpoint', () => {
  const torch = '2.10.0';

  test('is used when it is intact', async () => {
    const file = await run.save({ torch }, await readTorchCheckpoint());
    expect(await fileOf()).toBe(file);
  });

  test('is refused when it was truncated before it was hashed', async () => {
    const whole = await readTorchCheckpoint();
    const cuts = [0, 1, 21, 22, whole.length - 22, whole.length - 1];
    for (let bytes = 512; bytes < whole.length; bytes += 512) cuts.push(bytes);
    for (const bytes of cuts) {
      await run.save({ torch }, whole.subarray(0, bytes));
      const { from, quarantined } = await run.find();
      expect(from, `cut at ${bytes}`).toBeUndefined();
      expect(quarantined, `cut at ${bytes}`).toHaveLength(1);
    }
  });

  test('is skipped for the one before when a bit is flipped', async () => {
    const whole = await readTorchCheckpoint();
    const older = await run.save({ torch, epoch: 1 }, whole);
    for (let flip = 0; flip < 200; flip++) {
      const damaged = Buffer.from(whole);
      const at = Math.floor(Math.random() * damaged.length);
      damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << (flip % 8)), at);
      const newest = await run.save({ torch, epoch: 2 }, whole);
      await writeFile(run.path(newest), damaged);
      expect(await run.find(), `byte ${at}`).toMatchObject({
        from: { path: run.path(older) },
        quarantined: [{ file: newest }],
      });
    }
  });

  test('is skipped when a block of 4 KiB was zeroed', async () => {
    const whole = await readTorchCheckpoint();
    const older = await run.save({ torch, epoch: 1 }, whole);
    for (let at = 0; at < whole.length; at += 4096) {
      const newest = await run.save({ torch, epoch: 2 }, whole);
      await writeFile(run.path(newest), Buffer.from(whole).fill(0, at, Math.min(whole.length, at + 4096)));
      expect(await fileOf(), `hole at ${at}`).toBe(older);
    }
  });

  test.each([
    ['text', 'no zip at all', /^it is not a readable zip archive/],
    // An empty zip archive consists of the end-of-central-directory record only.
    ['an archive without a pickle', Buffer.from(`504b0506${'00'.repeat(18)}`, 'hex'), /without data\.pkl/],
  ])('is refused when it matches its manifest but is %s', async (_what, content, why) => {
    await run.save({ torch }, content);
    const { from, quarantined } = await run.find();
    expect(from).toBeUndefined();
    expect(quarantined[0]?.why).toMatch(why);
  });
});

describe('a checkpoint of another plan', () => {
  const before: RunPlan = { ...miniPlan, planHash: 'b'.repeat(64), gpus: 4, seed: 1 };
  const allowing = (...mayChange: RunPlan['recovery']['mayChange']): RunPlan => ({
    ...miniPlan,
    recovery: { ...miniPlan.recovery, mayChange },
  });
  const { planHash } = before;

  test('is refused with each change and its two values', async () => {
    await run.archivePlan(before);
    await run.save({ planHash });
    await expect(run.find()).rejects.toMatchObject({
      code: 'PlanChanged',
      message: expect.stringContaining('gpus changed from 4 to 1, seed changed from 1 to 7') as unknown,
    });
    await expect(run.find(allowing('gpus'))).rejects.toThrow('another plan: seed changed from 1 to 7.');
  });

  test('is refused when its plan was not archived', async () => {
    await run.save({ planHash });
    await expect(run.find(allowing('gpus', 'seed'))).rejects.toThrow(`plan ${planHash.slice(0, 12)} was not archived`);
  });

  test('is used at the end of an epoch when the change is allowed', async () => {
    await run.archivePlan(before);
    await run.writeStarted(1, 10);
    const atEnd = await run.save({ planHash, epoch: 2, iteration: 20 });
    await run.save({ planHash, epoch: 2, iteration: 25 });
    expect(await run.find(allowing('gpus', 'seed'))).toMatchObject({ from: { manifest: { file: atEnd, planHash } } });
  });

  test('is refused within its first epoch even when the change is allowed', async () => {
    await run.archivePlan(before);
    await run.writeStarted(1, 10);
    await run.save({ planHash, epoch: 0, iteration: 7 });
    await expect(run.find(allowing('gpus', 'seed'))).rejects.toThrow('at the end of an epoch');
  });

  test('is older than any checkpoint of this plan with a higher fence', async () => {
    await run.archivePlan(before);
    await run.writeStarted(1, 40);
    await run.save({ planHash, epoch: 1, iteration: 40, fence: 1 });
    const own = await run.save({ epoch: 1, iteration: 12, fence: 2 });
    expect(await fileOf(allowing('gpus', 'seed'))).toBe(own);
    expect(await fileOf(miniPlan)).toBe(own);
  });

  test('is newer than a checkpoint of this plan with a lower fence', async () => {
    await run.archivePlan(before);
    await run.writeStarted(2, 40);
    await run.save({ epoch: 1, iteration: 50, fence: 1 });
    const between = await run.save({ planHash, epoch: 1, iteration: 40, fence: 2 });
    expect(await fileOf(allowing('gpus', 'seed'))).toBe(between);
  });
});

describe('a rollback', () => {
  const rollback = { toIteration: 20, fence: 3, why: 'diverged at iteration 37' };

  test('quarantines later checkpoints once, with its reason', async () => {
    for (const epoch of [1, 2, 3]) await run.save({ epoch, fence: epoch });
    const first = await run.find(miniPlan, rollback);
    expect(first).toMatchObject({
      from: { manifest: { iteration: 20 } },
      quarantined: [{ file: 'e003-i000030.pth', why: rollback.why }],
    });
    expect(await run.find(miniPlan, rollback)).toMatchObject({
      from: { manifest: { iteration: 20 } },
      quarantined: [],
    });
  });

  test('keeps checkpoints of later trainers', async () => {
    await run.save({ epoch: 2, fence: 3 });
    await run.save({ epoch: 3, fence: 4 });
    expect(await run.find(miniPlan, rollback)).toMatchObject({
      from: { manifest: { iteration: 30 } },
      quarantined: [],
    });
  });

  test('can restart from the beginning', async () => {
    await run.save({ epoch: 1 });
    expect((await run.find(miniPlan, { ...rollback, toIteration: 0 })).from).toBeUndefined();
  });
});

describe('findBestCheckpoint', () => {
  const scores = (AP: number) => ({ AP, AP50: AP, AP75: AP, APs: AP, APm: AP, APl: AP });
  const validated = (epoch: number, AP: number): TrainerEvent => {
    const place = { attempt: 1, epoch, iteration: epoch * 10 };
    return { v: 1, type: 'validation', t: 1, ...place, bbox: scores(AP), segm: scores(AP), seconds: 1 };
  };
  const started = (iteration: number): TrainerEvent => {
    const start = { fence: 2, epoch: iteration / 10, iteration, iterationsPerEpoch: 10, epochs: 4, worldSize: 1 };
    return {
      v: 1,
      type: 'started',
      t: 2,
      attempt: 2,
      ...start,
      device: 'cpu',
      resumedFrom: null,
      pids: [],
      versions: {},
    };
  };
  const best = async (events: TrainerEvent[]) =>
    (await findBestCheckpoint(run.folder.train, miniPlan.planHash, events))?.manifest.epoch;

  test('finds the highest validation box AP, and the later one of a tie', async () => {
    for (const epoch of [1, 2, 3, 4]) await run.save({ epoch });
    expect(await best([validated(1, 0.3), validated(2, 0.5), validated(3, 0.5), validated(4, 0.4)])).toBe(3);
  });

  test('finds the newest checkpoint without any validation', async () => {
    for (const epoch of [1, 2]) await run.save({ epoch });
    expect(await best([])).toBe(2);
  });

  test('ignores a validation that a later trainer superseded', async () => {
    for (const epoch of [1, 2, 3]) await run.save({ epoch });
    const events = [validated(1, 0.3), validated(2, 0.4), validated(3, 0.9), started(20), validated(3, 0.1)];
    expect(await best(events)).toBe(2);
  });

  test('skips a damaged checkpoint without moving it', async () => {
    await run.save({ epoch: 1 });
    await truncate(run.path(await run.save({ epoch: 2 })), 5);
    expect(await best([validated(1, 0.3), validated(2, 0.5)])).toBe(1);
    expect(await quarantineFolder()).toEqual([]);
  });

  test('ignores checkpoints of another plan', async () => {
    await run.save({ epoch: 1, planHash: 'b'.repeat(64) });
    expect(await best([validated(1, 0.3)])).toBeUndefined();
  });
});

test('listResumableIterations lists complete checkpoints, newest first', async () => {
  for (const epoch of [1, 2, 3, 10]) await run.save({ epoch });
  await truncate(run.path('e002-i000020.pth'), 1);
  await rm(run.path('e010-i000100.json'));
  expect(await listResumableIterations(run.folder, miniPlan)).toEqual([30, 10]);
});
