import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledFailure } from '@temporalio/common';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import type { SpaceFound } from '../../../activities/train/wait-for-space.ts';
import { runFolder } from '../../../configs/paths.ts';
import { createMiniRun, type MiniRun } from '../../helpers/mini-run.ts';
import { until } from '../../helpers/until.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';

const mebibyte = 1024 * 1024;
let run: MiniRun;
beforeEach(async () => {
  run = await createMiniRun();
  await mkdir(run.folder.train.dir, { recursive: true });
});
afterEach(() => run.remove());

const wait = (bytes: number, environment = mockEnvironment(), home = run.dependencies.home): Promise<SpaceFound> => {
  const { waitForSpace } = createGpuActivities({ ...run.dependencies, home });
  return environment.run(waitForSpace, { runId: 'mini', bytes });
};

test('waitForSpace returns at once when there is enough free space', async () => {
  const { freeBytes, neededBytes } = await wait(mebibyte);
  expect(neededBytes).toBe(mebibyte);
  expect(freeBytes).toBeGreaterThan(mebibyte);
});

test('waitForSpace creates no folder of the training for an evaluation', async () => {
  await rm(run.folder.train.dir, { recursive: true });
  const { waitForSpace } = createGpuActivities(run.dependencies);
  await mockEnvironment().run(waitForSpace, { runId: 'mini', bytes: 0, isEvaluation: true });
  expect(await readdir(run.folder.root)).toEqual(['test']);
});

test('waitForSpace never waits for more than half of the disk', async () => {
  const environment = mockEnvironment();
  environment.on('heartbeat', () => environment.cancel('CANCELLED')); // on a disk that is more than half full, the wait continues
  const outcome = await wait(Number.MAX_SAFE_INTEGER, environment).catch((error: unknown) => error);
  if (outcome instanceof Error) expect(outcome).toBeInstanceOf(CancelledFailure);
  else expect(outcome).toMatchObject({ neededBytes: expect.any(Number) as unknown });
});

const isRoot = process.getuid?.() === 0;
describe.skipIf(!isRoot)('on a small disk', () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(`${tmpdir()}/everswin-disk-`);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=64m,nr_inodes=64', 'tmpfs', home]);
    await mkdir(runFolder(home, 'mini').train.checkpoints, { recursive: true });
  });
  afterEach(async () => {
    await execa('umount', [home]);
    await rm(home, { recursive: true });
  });

  test('waitForSpace waits until space is freed, and its heartbeat names the needed bytes', async () => {
    await writeFile(`${home}/ballast`, Buffer.alloc(50 * mebibyte));
    const environment = mockEnvironment();
    const beats: unknown[] = [];
    environment.on('heartbeat', (details: unknown) => beats.push(details));
    const waiting = wait(0, environment, home);
    await until(() => Promise.resolve(typeof beats.at(-1) === 'object' || undefined));
    expect(beats.at(-1)).toMatchObject({ neededBytes: 32 * mebibyte });
    await rm(`${home}/ballast`);
    expect(await waiting).toMatchObject({ neededBytes: 32 * mebibyte });
  });

  test('waitForSpace waits until a file can be created, though there are free bytes', async () => {
    const names = Array.from({ length: 64 }, (_, index) => `${home}/${index}`);
    await Promise.all(names.map((name) => writeFile(name, '').catch(() => undefined)));
    const environment = mockEnvironment();
    const beats: unknown[] = [];
    environment.on('heartbeat', (details: unknown) => beats.push(details));
    const waiting = wait(mebibyte, environment, home);
    await until(() => Promise.resolve(String(beats.at(-1)).includes('ENOSPC') || undefined));
    await Promise.all(names.map((name) => rm(name, { force: true })));
    expect(await waiting).toMatchObject({ neededBytes: mebibyte });
  });

  test('a cancellation ends the wait', async () => {
    await writeFile(`${home}/ballast`, Buffer.alloc(50 * mebibyte));
    const environment = mockEnvironment();
    const waiting = wait(20 * mebibyte, environment, home).catch((error: unknown) => error);
    await sleep(200);
    environment.cancel('CANCELLED');
    expect(await waiting).toBeInstanceOf(CancelledFailure);
  });
});
