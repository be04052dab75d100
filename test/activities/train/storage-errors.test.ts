/** Storage that cannot be read or written for a while: the run waits for it, and loses nothing. */
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { isDiskFull } from '../../../activities/shared/files/disk-full.ts';
import { isStorageError } from '../../../activities/shared/files/storage-error.ts';
import { findResumePoint } from '../../../activities/shared/run/checkpoints.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { toFailure } from '../../../activities/shared/temporal/failure.ts';
import { isAlive } from '../../../activities/shared/trainer/process-identity.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import type { TrainingRequest } from '../../../activities/train/training-request.ts';
import type { Attempt } from '../../../configs/schema/index.ts';
import { createCheckpointFolder } from '../../helpers/checkpoint-folder.ts';
import { createMiniRun, miniControl, miniPlan, type MiniRun } from '../../helpers/mini-run.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';
import { until } from '../../helpers/until.ts';

/** Faults need mounts and file attributes of ext4, which only root may change. */
const isRoot = process.getuid?.() === 0;
const hasAttributes = isRoot && (await execa('lsattr', ['-d', '/tmp'], { reject: false })).exitCode === 0;

let run: MiniRun;
const repairs: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  run = await createMiniRun('--kill-at-step', '25', '--fault-attempt', '1');
});
afterEach(async () => {
  for (const repair of repairs.splice(0)) await repair();
  await run.remove();
});

const start = (attempt: number, over: Partial<TrainingRequest> = {}): Promise<Attempt> => {
  const { runTraining } = createGpuActivities(run.dependencies);
  const request = { plan: miniPlan, attempt, control: miniControl, rollback: null, since: 0 };
  return mockEnvironment().run(runTraining, { ...request, ...over });
};

const mountReadOnly = async (folder: string): Promise<void> => {
  await execa('mount', ['--bind', folder, folder]);
  repairs.unshift(() => execa('umount', [folder]));
  await execa('mount', ['-o', 'remount,ro,bind', folder]);
};
const makeImmutable = async (folder: string): Promise<void> => {
  await execa('chattr', ['+i', folder]);
  repairs.unshift(() => execa('chattr', ['-i', folder]));
};
const replace = async (path: string, put: (path: string) => Promise<unknown>): Promise<void> => {
  await rename(path, `${path}.away`);
  await put(path);
  repairs.unshift(async () => {
    await rm(path, { recursive: true, force: true });
    await rename(`${path}.away`, path);
  });
};
/** Deletes the run folder at once, however busy it is. */
const deleteFolder = async (): Promise<void> => {
  const gone = `${run.dependencies.home}/gone`;
  await rename(run.folder.root, gone);
  await rm(gone, { recursive: true, force: true, maxRetries: 10 });
};
const repairAll = async (): Promise<void> => {
  for (const repair of repairs.splice(0)) await repair();
};

const faults: [string, string, boolean, () => Promise<void>][] = [
  ['the home is read-only', 'read-only-storage', isRoot, () => mountReadOnly(run.dependencies.home)],
  ['the run folder is immutable', 'no-permission', hasAttributes, () => makeImmutable(run.folder.train.dir)],
  ['the folder of fences is immutable', 'no-permission', hasAttributes, () => makeImmutable(run.folder.train.fences)],
  [
    'a file is in the place of the checkpoint folder',
    'folder-blocked',
    true,
    () => replace(run.folder.train.checkpoints, (path) => writeFile(path, '')),
  ],
  [
    'a link to nowhere is in the place of the run folder',
    'folder-blocked',
    true,
    () => replace(run.folder.train.dir, (path) => symlink('/nowhere/at/all', path)),
  ],
  [
    'a link to itself is in the place of a checkpoint',
    'folder-blocked',
    true,
    () => replace(`${run.folder.train.checkpoints}/e002-i000020.pth`, (path) => symlink(path, path)),
  ],
  [
    'plan.json is a folder',
    'folder-blocked',
    true,
    () => replace(run.folder.plan, (path) => mkdir(`${path}/x`, { recursive: true })),
  ],
  ['owner.json is a folder', 'folder-blocked', true, () => replace(run.folder.train.owner, (path) => mkdir(path))],
];

describe('an attempt waits for the storage and then resumes', () => {
  for (const [title, name, isPossible, damage] of faults) {
    // Skipped where the system has no mounts or file attributes.
    test.skipIf(!isPossible)(`when ${title}`, async () => {
      await start(1);
      await damage();
      const attempt = await start(2);
      expect(attempt).toMatchObject({
        outcome: 'crashed',
        quarantined: [],
        failure: { class: name, reaction: 'wait-for-storage' },
      });
      expect(attempt.failure?.evidence).toContain(run.dependencies.home);
      await repairAll();
      expect(await start(3)).toMatchObject({ outcome: 'finished', resumedFrom: 'e002-i000020.pth' });
    });
  }
});

describe('a trainer that cannot save', () => {
  const damageAfterFirstCheckpoint = async (damage: () => Promise<void>): Promise<Attempt> => {
    await run.remove();
    run = await createMiniRun('--step-seconds', '0.1');
    const attempt = start(1);
    await until(async () =>
      (await readProgress(run.folder.train.progress)).some(({ type }) => type === 'checkpoint') ? true : undefined,
    );
    await damage();
    return attempt;
  };

  test.skipIf(!isRoot)('names read-only storage', async () => {
    const attempt = await damageAfterFirstCheckpoint(() => mountReadOnly(run.folder.train.checkpoints));
    expect(attempt.failure).toMatchObject({ class: 'read-only-storage', reaction: 'wait-for-storage' });
  });

  test('names a file in the place of the checkpoint folder', async () => {
    const attempt = await damageAfterFirstCheckpoint(() =>
      replace(run.folder.train.checkpoints, (path) => writeFile(path, '')),
    );
    expect(attempt.failure).toMatchObject({ class: 'folder-blocked', reaction: 'wait-for-storage' });
  });

  test('saves into a new folder when the run folder is deleted, and the next attempt resumes', async () => {
    const attempt = await damageAfterFirstCheckpoint(() => deleteFolder());
    expect(attempt).toMatchObject({ outcome: 'crashed', failure: { class: 'run-folder-lost', reaction: 'retry' } });
    expect(attempt.checkpointIteration).toBe(attempt.checkpoints[0]);
    const saved = attempt.checkpointIteration ?? 0;
    expect(saved).toBeGreaterThan(9);
    expect(await start(2, { lastFence: attempt.fence ?? 0, savedIteration: saved })).toMatchObject({
      outcome: 'finished',
      fence: 2,
      fromIteration: saved,
      toIteration: 30,
    });
  });
});

test('a trainer whose folder was deleted while no worker watched saves before the next attempt starts', async () => {
  await run.remove();
  run = await createMiniRun('--step-seconds', '0.3');
  const unwatched = start(1).catch((error: unknown) => error);
  const owner = await until(async () => {
    const steps = (await readProgress(run.folder.train.progress)).filter(({ type }) => type === 'step');
    return steps.length > 2 ? (await findLiveJob(run.folder.train))?.owner : undefined;
  });
  // A newer attempt makes the watcher leave its trainer alone.
  await writeFile(`${run.folder.train.fences}/2`, '');
  await unwatched;
  await deleteFolder();
  const attempt = await start(3, { lastFence: 2 });
  expect(await isAlive(owner)).toBe(false);
  expect(attempt).toMatchObject({ outcome: 'finished', fence: 3, toIteration: 30 });
  expect(attempt.fromIteration).toBeGreaterThan(2);
});

describe('waitForSpace', () => {
  const wait = (environment = mockEnvironment()) => {
    const { waitForSpace } = createGpuActivities(run.dependencies);
    return environment.run(waitForSpace, { runId: 'mini', bytes: 1 });
  };
  for (const [title, , isPossible, damage] of [0, 2, 5, 7].flatMap((place) => faults.slice(place, place + 1))) {
    test.skipIf(!isPossible)(`continues by itself when it was repaired that ${title}`, async () => {
      await start(1);
      await damage();
      const environment = mockEnvironment();
      const beats: unknown[] = [];
      environment.on('heartbeat', (details: unknown) => beats.push(details));
      const waiting = wait(environment);
      await until(() =>
        Promise.resolve(typeof beats.at(-1) === 'string' && beats.at(-1) !== 'starting' ? true : undefined),
      );
      await repairAll();
      await waiting;
    });
  }
});

test.skipIf(!isRoot)('a checkpoint that cannot be read is neither damaged nor skipped', async () => {
  const checkpoints = await createCheckpointFolder();
  repairs.push(() => checkpoints.remove());
  await checkpoints.save({ epoch: 1 });
  const newest = await checkpoints.save({ epoch: 2 });
  await chmod(checkpoints.folder.root.replace(/\/runs\/.*/, ''), 0o755);
  await chmod(checkpoints.path(newest), 0o600);
  const { folder } = checkpoints;
  const find = () => findResumePoint({ folder, plan: miniPlan, rollback: null, assertFence: () => Promise.resolve() });
  process.seteuid?.(65534);
  const error: unknown = await find().catch((reason: unknown) => reason);
  process.seteuid?.(0);
  expect(error).toMatchObject({ code: 'StorageUnavailable' });
  expect(String(error)).toContain(checkpoints.path(newest));
  expect((await find()).from?.manifest.file).toBe(newest);
});

test('errors without a name in Node are recognized by their number', () => {
  const unnamed = (errno: number) =>
    Object.assign(new Error(`Unknown system error -${errno}`), {
      code: `Unknown system error -${errno}`,
      errno: -errno,
    });
  expect(isDiskFull(unnamed(122))).toBe(true); // EDQUOT
  expect([116, 117, 121].map((errno) => isStorageError(unnamed(errno)))).toEqual([true, true, true]);
  expect(isStorageError(unnamed(99))).toBe(false);
  expect(toFailure(unnamed(116)).message).toContain('ESTALE: stale file handle');
  expect(toFailure(unnamed(99)).message).toContain('Unknown system error -99');
});

test.each([
  ['truncated', (plan: string) => truncateSync(plan, 100)],
  ['edited', (plan: string) => writeFileSync(plan, readFileSync(plan, 'utf8').replace('"seed": 7', '"seed": 8'))],
  ['deleted', (plan: string) => rmSync(plan)],
])('a trainer refuses a plan.json that was %s while it waited for its GPUs', async (_how, change) => {
  const { train } = run.dependencies.programs;
  run.dependencies.programs.train = (...args) => {
    change(run.folder.plan);
    return train(...args);
  };
  expect((await start(1)).failure).toMatchObject({ class: 'plan-file-changed', reaction: 'retry' });
  run.dependencies.programs.train = train;
  expect(await start(2)).toMatchObject({ outcome: 'finished' });
});

test('an attempt writes plan.json again, whatever became of it', async () => {
  await start(1);
  const { plan } = run.folder;
  const written = await readFile(plan, 'utf8');
  for (const [place, content] of [
    '',
    '{"v": 1, "seed": 8',
    '{}',
    written.replace('"seed": 7', '"seed": 8'),
  ].entries()) {
    await writeFile(plan, content);
    await start(2 + place);
    expect(await readFile(plan, 'utf8')).toBe(written);
  }
});
