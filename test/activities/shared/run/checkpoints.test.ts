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

describe('the checkpoint to go on from', () => {
  test('is none without a folder', async () => {
    await run.remove();
    expect(await run.find()).toEqual({ from: undefined, quarantined: [] });
  });

  test('is the one with the most iterations, whatever the names sort like', async () => {
    await run.save({ epoch: 9 });
    const newest = await run.save({ epoch: 10 });
    expect(await run.find()).toMatchObject({ from: { path: run.path(newest) }, quarantined: [] });
  });

  test.each([
    ['cut short', (file: string) => truncate(run.path(file), 5), /^it has 5 bytes, its manifest says 23$/],
    ['emptied', (file: string) => truncate(run.path(file), 0), /^it has 0 bytes/],
    ['changed', (file: string) => writeFile(run.path(file), 'weights of iteration 99'), /^its sha256 is/],
    ['gone', (file: string) => rm(run.path(file)), /^its file is missing$/],
    ['one with half a manifest', (file: string) => truncate(manifestOf(file), 20), /^its manifest does not parse/],
    ['one with an empty manifest', (file: string) => truncate(manifestOf(file), 0), /^its manifest does not parse/],
  ])('is the one before, and the newest is quarantined, when that is %s', async (_how, damage, why) => {
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

  test('is never a file whose manifest speaks of another', async () => {
    const whole = await run.save({ epoch: 1 });
    const stranger = await run.save({ epoch: 2, file: 'e009-i000090.pth' });
    expect(await run.find()).toMatchObject({ from: { path: run.path(whole) }, quarantined: [{ file: stranger }] });
  });

  test('is none where all are bad, and each is quarantined once', async () => {
    for (const epoch of [1, 2, 3]) await truncate(run.path(await run.save({ epoch })), epoch);
    const { from, quarantined } = await run.find();
    expect(from).toBeUndefined();
    expect(quarantined.map(({ file }) => file)).toEqual(['e003-i000030.pth', 'e002-i000020.pth', 'e001-i000010.pth']);
    expect(await run.find()).toEqual({ from: undefined, quarantined: [] });
  });

  test('leaves what a writer has not finished to the trainer', async () => {
    await writeFile(run.path('.e001-i000010.pth.part'), 'half');
    await writeFile(run.path('e002-i000020.pth'), 'a file without a manifest');
    expect(await run.find()).toEqual({ from: undefined, quarantined: [] });
    expect((await readdir(run.folder.train.checkpoints)).sort()).toEqual([
      '.e001-i000010.pth.part',
      'e002-i000020.pth',
    ]);
  });

  test('a quarantine that was cut off between manifest and file is finished by forgetting the file', async () => {
    const newest = await run.save({ epoch: 2 });
    await rm(manifestOf(newest));
    expect(await run.find()).toEqual({ from: undefined, quarantined: [] });
  });

  test('nothing is moved any more by an attempt that was superseded', async () => {
    await truncate(run.path(await run.save({ epoch: 1 })), 3);
    const assertFence = () => Promise.reject(new Error('superseded'));
    const request = { folder: run.folder, plan: miniPlan, rollback: null, assertFence };
    await expect(findResumePoint(request)).rejects.toThrow('superseded');
    expect(await quarantineFolder()).toEqual([]);
  });
});

describe('a checkpoint of torch', () => {
  const torch = '2.10.0';

  test('is taken when it is whole', async () => {
    const file = await run.save({ torch }, await readTorchCheckpoint());
    expect(await fileOf()).toBe(file);
  });

  test('is never taken when it was cut before it was hashed, wherever the cut is', async () => {
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

  test('is never taken with a flipped bit: the one before is, and the search ends', async () => {
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

  test('is never taken when it lost a piece of 4 KiB, even with its size kept', async () => {
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
    // An empty archive: nothing but the end of a central directory.
    ['an archive without a pickle', Buffer.from(`504b0506${'00'.repeat(18)}`, 'hex'), /without data\.pkl/],
  ])('is refused when its bytes are those of its manifest but they are %s', async (_what, content, why) => {
    await run.save({ torch }, content);
    const { from, quarantined } = await run.find();
    expect(from).toBeUndefined();
    expect(quarantined[0]?.why).toMatch(why);
  });
});

describe('a changed plan', () => {
  const before: RunPlan = { ...miniPlan, planHash: 'b'.repeat(64), gpus: 4, seed: 1 };
  const allowing = (...mayChange: RunPlan['recovery']['mayChange']): RunPlan => ({
    ...miniPlan,
    recovery: { ...miniPlan.recovery, mayChange },
  });
  const { planHash } = before;

  test('is refused with each change and both values', async () => {
    await run.keepPlan(before);
    await run.save({ planHash });
    await expect(run.find()).rejects.toMatchObject({
      code: 'PlanChanged',
      message: expect.stringContaining('gpus changed from 4 to 1, seed changed from 1 to 7') as unknown,
    });
    await expect(run.find(allowing('gpus'))).rejects.toThrow('another plan: seed changed from 1 to 7.');
  });

  test('is refused when nobody knows what the plan was', async () => {
    await run.save({ planHash });
    await expect(run.find(allowing('gpus', 'seed'))).rejects.toThrow(`plan ${planHash.slice(0, 12)} was not archived`);
  });

  test('goes on from the end of an epoch where the change is allowed', async () => {
    await run.keepPlan(before);
    await run.sayStarted(1, 10);
    const atEnd = await run.save({ planHash, epoch: 2, iteration: 20 });
    await run.save({ planHash, epoch: 2, iteration: 25 });
    expect(await run.find(allowing('gpus', 'seed'))).toMatchObject({ from: { manifest: { file: atEnd, planHash } } });
  });

  test('is refused where the change is allowed but no epoch was done, rather than begun again', async () => {
    await run.keepPlan(before);
    await run.sayStarted(1, 10);
    await run.save({ planHash, epoch: 0, iteration: 7 });
    await expect(run.find(allowing('gpus', 'seed'))).rejects.toThrow('at the end of an epoch');
  });

  test('is forgotten once the run has a checkpoint of its own, though that has fewer iterations', async () => {
    await run.keepPlan(before);
    await run.sayStarted(1, 40);
    await run.save({ planHash, epoch: 1, iteration: 40, fence: 1 });
    const own = await run.save({ epoch: 1, iteration: 12, fence: 2 });
    expect(await fileOf(allowing('gpus', 'seed'))).toBe(own);
    expect(await fileOf(miniPlan)).toBe(own);
  });

  test('that is taken back goes on from the newer checkpoint between', async () => {
    await run.keepPlan(before);
    await run.sayStarted(2, 40);
    await run.save({ epoch: 1, iteration: 50, fence: 1 });
    const between = await run.save({ planHash, epoch: 1, iteration: 40, fence: 2 });
    expect(await fileOf(allowing('gpus', 'seed'))).toBe(between);
  });
});

describe('a step back', () => {
  const rollback = { toIteration: 20, fence: 3, why: 'diverged at iteration 37' };

  test('takes out what was written since, says why, and does so once', async () => {
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

  test('does not touch what a later trainer wrote', async () => {
    await run.save({ epoch: 2, fence: 3 });
    await run.save({ epoch: 3, fence: 4 });
    expect(await run.find(miniPlan, rollback)).toMatchObject({
      from: { manifest: { iteration: 30 } },
      quarantined: [],
    });
  });

  test('may go back to the beginning', async () => {
    await run.save({ epoch: 1 });
    expect((await run.find(miniPlan, { ...rollback, toIteration: 0 })).from).toBeUndefined();
  });
});

describe('the best checkpoint', () => {
  const scores = (AP: number) => ({ AP, AP50: AP, AP75: AP, APs: AP, APm: AP, APl: AP });
  const validated = (epoch: number, AP: number): TrainerEvent => {
    const place = { attempt: 1, epoch, iteration: epoch * 10 };
    return { v: 1, type: 'validation', t: 1, ...place, bbox: scores(AP), segm: scores(AP), seconds: 1 };
  };
  const started = (iteration: number): TrainerEvent => {
    const about = { fence: 2, epoch: iteration / 10, iteration, iterationsPerEpoch: 10, epochs: 4, worldSize: 1 };
    return {
      v: 1,
      type: 'started',
      t: 2,
      attempt: 2,
      ...about,
      device: 'cpu',
      resumedFrom: null,
      pids: [],
      versions: {},
    };
  };
  const best = async (events: TrainerEvent[]) =>
    (await findBestCheckpoint(run.folder.train, miniPlan.planHash, events))?.manifest.epoch;

  test('is the one with the highest validation box AP, the later of two equals', async () => {
    for (const epoch of [1, 2, 3, 4]) await run.save({ epoch });
    expect(await best([validated(1, 0.3), validated(2, 0.5), validated(3, 0.5), validated(4, 0.4)])).toBe(3);
  });

  test('is the newest where nothing was validated', async () => {
    for (const epoch of [1, 2]) await run.save({ epoch });
    expect(await best([])).toBe(2);
  });

  test('does not count a validation that a later start took back', async () => {
    for (const epoch of [1, 2, 3]) await run.save({ epoch });
    const events = [validated(1, 0.3), validated(2, 0.4), validated(3, 0.9), started(20), validated(3, 0.1)];
    expect(await best(events)).toBe(2);
  });

  test('is a whole one, and a damaged one stays where it is: a trainer may live', async () => {
    await run.save({ epoch: 1 });
    await truncate(run.path(await run.save({ epoch: 2 })), 5);
    expect(await best([validated(1, 0.3), validated(2, 0.5)])).toBe(1);
    expect(await quarantineFolder()).toEqual([]);
  });

  test('is none of another plan', async () => {
    await run.save({ epoch: 1, planHash: 'b'.repeat(64) });
    expect(await best([validated(1, 0.3)])).toBeUndefined();
  });
});

test('the iterations to go back to are those whose files have their size, newest first', async () => {
  for (const epoch of [1, 2, 3, 10]) await run.save({ epoch });
  await truncate(run.path('e002-i000020.pth'), 1);
  await rm(run.path('e010-i000100.json'));
  expect(await listResumableIterations(run.folder, miniPlan)).toEqual([30, 10]);
});
