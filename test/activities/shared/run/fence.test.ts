import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireFence, assertFence, currentFence, raiseFence } from '../../../../activities/shared/run/fence.ts';
import { jobFolder, type JobFolder } from '../../../../configs/paths.ts';

let root: string;
let job: JobFolder;
beforeEach(async () => {
  root = await mkdtemp(`${tmpdir()}/everswin-fence-`);
  job = jobFolder(root);
});
afterEach(() => rm(root, { recursive: true }));

const ended = new Set<string>();
beforeEach(() => ended.clear());
const acquire = (attempt: number, workflowRun = 'run-a') =>
  acquireFence(job, { workflowRun, attempt }, () => Promise.resolve(ended.has(workflowRun)));
const stale = { code: 'StaleAttempt' };

test('acquireFence gives later attempts a higher fence', async () => {
  expect([await acquire(1), await acquire(2), await acquire(5)]).toEqual([1, 2, 3]);
  await expect(assertFence(job, 2)).rejects.toMatchObject(stale);
  await assertFence(job, 3);
});

test('acquireFence refuses an older attempt that arrives after a newer one, which keeps its fence', async () => {
  const fence = await acquire(3);
  await expect(acquire(2)).rejects.toMatchObject(stale);
  await assertFence(job, fence);
});

test('acquireFence accepts the same attempt again, as when Temporal delivers it twice', async () => {
  await acquire(2);
  expect(await acquire(2)).toBe(2);
});

test('acquireFence accepts the first attempt of an activity that the workflow repeats', async () => {
  const acquireFor = (activity: number, attempt: number) =>
    acquireFence(job, { workflowRun: 'run-a', activity, attempt });
  await acquire(2); // by a version that recorded no activity
  expect(await acquireFor(8, 3)).toBe(2);
  expect(await acquireFor(12, 1)).toBe(3);
  await expect(acquireFor(8, 4)).rejects.toMatchObject(stale);
});

test('acquireFence accepts the first attempt of a new workflow run, and then refuses the old run', async () => {
  await acquire(7);
  ended.add('run-a');
  expect(await acquire(1, 'run-b')).toBe(2);
  await expect(acquire(8)).rejects.toMatchObject(stale);
  expect(await acquire(2, 'run-b')).toBe(3);
});

test('acquireFence refuses the first attempt of a run that has ended, such as before a reset', async () => {
  await acquire(3, 'run-b');
  ended.add('run-a');
  await expect(acquire(2)).rejects.toMatchObject(stale);
  expect(await acquire(4, 'run-b')).toBe(2);
});

test('acquireFence accepts the open run although an attempt of an ended run holds the fence', async () => {
  await acquire(3, 'run-b');
  expect(await acquire(2)).toBe(2); // the server did not answer
  expect(await acquire(4, 'run-b')).toBe(3);
});

test('a newer attempt wins although a fence was raised while it acquired its own', async () => {
  await acquire(1);
  let overtake = true;
  const hasRunEnded = async () => {
    if (overtake) {
      overtake = false;
      await raiseFence(job, 5);
      await acquire(2);
    }
    return false;
  };
  expect(await acquireFence(job, { workflowRun: 'run-b', attempt: 3 }, hasRunEnded)).toBe(7);
  expect((await readdir(job.fences)).sort()).toEqual(['1', '5', '6', '7']);
});

test('acquireFence ignores fences that another host raised', async () => {
  await acquire(1);
  expect(await raiseFence(job, 6)).toBe(6);
  expect(await acquire(2)).toBe(7);
  await expect(acquire(1)).rejects.toMatchObject(stale);
});

test('the newest of many concurrent attempts wins, in whatever order they arrive', async () => {
  const attempts = [4, 9, 1, 7, 3, 8, 2, 6, 5];
  const results = await Promise.allSettled(attempts.map((attempt) => acquire(attempt)));
  const fences = results.map((result) => (result.status === 'fulfilled' ? result.value : 0));
  expect(fences[attempts.indexOf(9)]).toBe(await currentFence(job));
  const given = fences.filter((fence) => fence > 0);
  expect(new Set(given).size).toBe(given.length);
  // No draft is left.
  expect((await readdir(job.fences)).sort()).toEqual(given.map(String).sort());
});
