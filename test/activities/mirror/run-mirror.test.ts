import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ArtifactStore } from '../../../activities/shared/store/artifact-store.ts';
import type { MirrorState } from '../../../activities/mirror/mirror-messages.ts';
import { planMirror, toMirrored } from '../../../activities/mirror/mirror-plan.ts';
import { readRunPointer } from '../../../activities/mirror/run-pointer-writer.ts';
import type { RestoreRequest } from '../../../activities/mirror/restore-file.ts';
import { restoreRun } from '../../../activities/mirror/restore-run.ts';
import { startMirror, type RunMirror } from '../../../activities/mirror/run-mirror.ts';
import { findBestCheckpoint } from '../../../activities/shared/run/checkpoints.ts';
import { acquireFence } from '../../../activities/shared/run/fence.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { CheckpointManifest } from '../../../configs/schema/index.ts';
import { isPart, isPut, startFaultProxy, type FaultProxy } from '../../fixtures/fault-proxy.ts';
import { createCheckpointFolder, type CheckpointFolder } from '../../helpers/checkpoint-folder.ts';
import { miniPlan } from '../../helpers/mini-run.ts';
import { startS3Server, type S3Server } from '../../helpers/s3-server.ts';
import { until } from '../../helpers/until.ts';

const { runId, planHash } = miniPlan;
const mebibyte = 1024 * 1024;
let server: S3Server;
let proxy: FaultProxy;
let here: CheckpointFolder;
let elsewhere: CheckpointFolder;
let store: ArtifactStore;
const mirrors: RunMirror[] = [];
let number = 0;

beforeAll(async () => {
  server = await startS3Server();
  proxy = await startFaultProxy(server.endpoint);
});
afterAll(async () => {
  await proxy.close();
  await server.stop();
});
beforeEach(async () => {
  proxy.plan(() => undefined);
  proxy.requests.length = 0;
  here = await createCheckpointFolder();
  elsewhere = await createCheckpointFolder();
  number += 1;
  store = server.store(`test-${number}/`, { endpoint: proxy.endpoint });
});
afterEach(async () => {
  await Promise.all(mirrors.splice(0).map((mirror) => mirror.stop()));
  await here.remove();
  await elsewhere.remove();
});

const mirror = (fence: number, folder = here.folder): RunMirror => {
  const started = startMirror({ store, folder, runId, fence, pollMs: 50 });
  mirrors.push(started);
  return started;
};
const flush = (one: RunMirror): Promise<MirrorState> => one.flush(AbortSignal.timeout(10_000));
const restore = (over: Partial<RestoreRequest> = {}) => {
  const { signal } = new AbortController();
  const request = { store, folder: elsewhere.folder, runId, rollback: null, signal, onProgress: () => undefined };
  return restoreRun({ ...request, ...over });
};
const mirroredFiles = async (): Promise<string[] | undefined> =>
  (await readRunPointer(store, runId))?.pointer.checkpoints.map(({ file }) => file);
const writeValidation = async (epoch: number, AP: number): Promise<void> => {
  const event = { v: 1, type: 'validation', t: 1, attempt: 1, epoch, iteration: epoch * 10, seconds: 1 };
  const scores = { AP, AP50: AP, AP75: AP, APs: null, APm: AP, APl: AP };
  const line = JSON.stringify({ ...event, bbox: scores, segm: scores });
  await writeFile(here.folder.train.progress, `${line}\n`, { flag: 'a' });
};
const removeCheckpoint = async (file: string): Promise<void> => {
  await rm(here.path(file.replace('.pth', '.json')));
  await rm(here.path(file));
};

test('restoreRun restores checkpoints, progress, plans and results on another host', async () => {
  const { root } = here.folder;
  const best = await here.save({ epoch: 1 });
  await here.save({ epoch: 2 });
  const newest = await here.save({ epoch: 3 }, Buffer.alloc(11 * mebibyte, 'large'));
  await here.writeStarted(1, 10);
  for (const [epoch, AP] of [0.5, 0.3, 0.2].entries()) await writeValidation(epoch + 1, AP);
  await here.archivePlan(miniPlan);
  await mkdir(`${root}/test`);
  const others = ['plan.json', 'recipe.json', 'test/metrics.json', 'test/detections.bbox.json'];
  for (const path of others) await writeFile(`${root}/${path}`, `{"of": "${path}"}`);
  await writeFile(`${root}/test/owner.json`, 'of this host');
  const state = await flush(mirror(4));
  expect(state).toMatchObject({ backlog: 0, lagSeconds: 0, problem: null, newest: { file: newest, iteration: 30 } });
  expect(await mirroredFiles()).toHaveLength(3);

  await here.remove();
  const restored = await restore();
  expect(restored?.fence).toBe(4);
  const paths = [best, newest].flatMap((file) => [file, file.replace('.pth', '.json')]);
  const expected = [...others, `plans/${planHash}.json`, 'train/progress.jsonl'];
  expect(restored?.restored.toSorted()).toEqual(
    [...paths.map((path) => `train/checkpoints/${path}`), ...expected].sort(),
  );
  expect((await readFile(elsewhere.path(newest))).equals(Buffer.alloc(11 * mebibyte, 'large'))).toBe(true);
  expect(await readFile(`${elsewhere.folder.root}/test/metrics.json`, 'utf8')).toBe('{"of": "test/metrics.json"}');
  expect((await elsewhere.find()).from?.manifest.file).toBe(newest);
  const events = await readProgress(elsewhere.folder.train.progress);
  expect((await findBestCheckpoint(elsewhere.folder.train, planHash, events))?.manifest.file).toBe(best);
  expect(await acquireFence(elsewhere.folder.train, { workflowRun: 'w', attempt: 9 })).toBe(5);
});

test('restoreRun downloads only what this host lacks', async () => {
  await here.save({ epoch: 1 });
  await elsewhere.save({ epoch: 1 });
  const newest = await here.save({ epoch: 2 });
  await flush(mirror(2));
  proxy.requests.length = 0;
  expect((await restore())?.restored.filter((path) => path.endsWith('.pth'))).toEqual([`train/checkpoints/${newest}`]);
  expect((await restore())?.restored).toEqual([]);
  expect(await acquireFence(elsewhere.folder.train, { workflowRun: 'w', attempt: 9 })).toBe(3);
});

test('restoreRun skips damaged copies and fails only when no copy is intact', async () => {
  const older = await here.save({ epoch: 1 });
  const newest = await here.save({ epoch: 2 });
  await flush(mirror(1));
  const damage = async (file: string) => {
    await writeFile(here.path('damaged'), 'damaged content');
    await store.put(`runs/${runId}/checkpoints/f1/${file}`, here.path('damaged'));
  };
  await damage(newest);
  const { restored = [] } = (await restore()) ?? {};
  expect(restored.filter((path) => path.endsWith('.pth'))).toEqual([`train/checkpoints/${older}`]);
  await damage(older);
  await rm(elsewhere.path(older));
  await expect(restore()).rejects.toMatchObject({ code: 'StoreDamaged' });
});

test('restoreRun skips rolled-back checkpoints', async () => {
  const good = await here.save({ epoch: 1 });
  await here.save({ epoch: 2 });
  await flush(mirror(1));
  const rollback = { toIteration: 10, fence: 1, why: 'it diverged' };
  const { restored = [] } = (await restore({ rollback })) ?? {};
  expect(restored.filter((path) => path.endsWith('.pth'))).toEqual([`train/checkpoints/${good}`]);
});

test('restoreRun replaces local files of an older attempt', async () => {
  await here.save({ epoch: 1 });
  await writeFile(here.folder.recipe, 'newer');
  await writeFile(elsewhere.folder.recipe, 'older');
  await acquireFence(elsewhere.folder.train, { workflowRun: 'w', attempt: 9 });
  await flush(mirror(2));
  await restore();
  expect(await readFile(elsewhere.folder.recipe, 'utf8')).toBe('newer');
  await writeFile(elsewhere.folder.recipe, 'newest');
  await restore();
  expect(await readFile(elsewhere.folder.recipe, 'utf8')).toBe('newest');
});

test('restoreRun returns undefined when the store does not hold the run', async () => {
  expect(await restore()).toBeUndefined();
});

test('the mirror deletes old copies only after the store has a newer one', async () => {
  const first = await here.save({ epoch: 1 });
  const running = mirror(1);
  await flush(running);
  proxy.plan((request) =>
    isPut(request) && request.path.includes('e002') ? { kind: 'status', status: 503, code: 'SlowDown' } : undefined,
  );
  const second = await here.save({ epoch: 2 });
  await removeCheckpoint(first);
  await until(() => Promise.resolve(running.state().problem ?? undefined));
  expect(await mirroredFiles()).toEqual([first]);
  expect(running.state().problem).toContain('503');
  expect(running.state().backlog).toBe(1);
  proxy.plan(() => undefined);
  expect((await flush(running)).problem).toBeNull();
  expect(await mirroredFiles()).toEqual([second]);
  const keys = (await store.list(`runs/${runId}/checkpoints/`)).map(({ key }) => key);
  expect(keys.map((key) => key.split('/').at(-1))).toEqual(['e002-i000020.json', 'e002-i000020.pth']);
});

test('the mirror queues at most two checkpoints for a slow store, and uploads the newest', async () => {
  proxy.plan(() => ({ kind: 'slow', ms: 40 }));
  const running = mirror(1);
  const backlogs = new Set<number>();
  const saved: string[] = [];
  for (let epoch = 1; epoch <= 20; epoch += 1) {
    saved.push(await here.save({ epoch, createdAt: Date.now() / 1000 }));
    const old = saved.at(-4);
    if (old !== undefined) await removeCheckpoint(old);
    await sleep(50);
    backlogs.add(running.state().backlog);
  }
  const state = await flush(running);
  expect(Math.max(...backlogs)).toBe(2);
  expect(state).toMatchObject({ backlog: 0, lagSeconds: 0, newest: { file: saved.at(-1) } });
  expect(await mirroredFiles()).toEqual(saved.slice(-3).reverse());
  const sent = proxy.requests.filter((request) => isPut(request) && request.path.endsWith('.pth'));
  expect(sent.length).toBeLessThan(20);
});

test('a newer attempt takes the run over, and the older one deletes nothing', async () => {
  const first = await here.save({ epoch: 1 });
  const old = mirror(1);
  await flush(old);
  await elsewhere.save({ epoch: 1 });
  const second = await elsewhere.save({ epoch: 2, fence: 2 });
  await flush(mirror(2, elsewhere.folder));
  await here.save({ epoch: 3 });
  expect((await flush(old)).problem).toMatch(/fence 1 is superseded by fence 2/);
  expect(await mirroredFiles()).toEqual([second, first]);
  expect((await restore({ folder: here.folder }))?.restored.filter((path) => path.endsWith('.pth'))).toEqual([]);
});

test('the first of two hosts with the same fence owns the run', async () => {
  await here.save();
  const theirs = { v: 1, fence: 1, host: 'another-host', checkpoints: [], updatedAt: 1 };
  await store.replace(`runs/${runId}/latest.json`, JSON.stringify(theirs), { ifMatch: null });
  expect((await flush(mirror(1))).problem).toMatch(/superseded by fence 1 on another-host/);
});

test('the next mirror resumes the partial upload of a stopped one', async () => {
  const file = await here.save({ epoch: 1 }, Buffer.alloc(21 * mebibyte, 'x'));
  proxy.plan((request) =>
    isPart(request) && request.query.get('partNumber') === '5' ? { kind: 'silence' } : undefined,
  );
  const first = mirror(1);
  await until(() => Promise.resolve(first.state().bytesSent >= 20 * mebibyte ? true : undefined));
  await first.stop();
  proxy.plan(() => undefined);
  proxy.requests.length = 0;
  await flush(mirror(2));
  expect(proxy.requests.filter(isPart).map(({ query }) => query.get('partNumber'))).toEqual(['5']);
  expect(await mirroredFiles()).toEqual([file]);
});

test('a restarted mirror uploads nothing that the store holds', async () => {
  await here.save({ epoch: 1 });
  await writeFile(here.folder.recipe, '{}');
  await flush(mirror(1));
  proxy.requests.length = 0;
  await flush(mirror(1));
  expect(proxy.requests.filter((request) => isPut(request) && !request.path.endsWith('e001-i000010.json'))).toEqual([]);
});

test('the mirror skips a damaged local checkpoint', async () => {
  await here.save({ epoch: 1, sha256: 'f'.repeat(64) });
  const whole = await here.save({ epoch: 2 });
  await flush(mirror(1));
  expect(await mirroredFiles()).toEqual([whole]);
});

test('an unreachable store is reported in the state and retried', async () => {
  await here.save({ epoch: 1, createdAt: Date.now() / 1000 - 100 });
  proxy.plan(() => ({ kind: 'reset' }));
  const running = mirror(1);
  const state = await until(() => Promise.resolve(running.state().problem === null ? undefined : running.state()));
  expect(state.problem).toMatch(/failed/);
  expect(await running.flush(AbortSignal.timeout(100))).toMatchObject({ newest: null });
  proxy.plan(() => undefined);
  expect(await flush(running)).toMatchObject({ problem: null, lagSeconds: 0 });
});

test('a mirror stops at once when the store does not answer', async () => {
  await here.save();
  proxy.plan(() => ({ kind: 'silence' }));
  const running = mirror(1);
  await until(() => Promise.resolve(proxy.requests.length > 0 ? true : undefined));
  const before = performance.now();
  await running.flush(AbortSignal.timeout(100));
  await running.stop();
  expect(performance.now() - before).toBeLessThan(15_000); // the request stalls after 20 s
});

test('planMirror queues the newest checkpoint, then the best one', () => {
  const manifest = (epoch: number): CheckpointManifest => {
    const sha256 = String(epoch).repeat(64);
    const file = { v: 1, file: `e00${epoch}.pth`, bytes: 1, sha256, epoch, iteration: epoch * 10 };
    return CheckpointManifest.parse({ ...file, planHash, attempt: 1, fence: 1, createdAt: epoch, torch: null });
  };
  const scores = { AP: 0.5, AP50: null, AP75: null, APs: null, APm: null, APl: null };
  const event = { v: 1, t: 1, attempt: 1, epoch: 1, iteration: 10, seconds: 1 } as const;
  const validated = { ...event, type: 'validation', bbox: scores, segm: scores } as const;
  const local = [1, 2, 3, 4].map(manifest);
  const files = (remote: number[]) =>
    planMirror(local, remote.map(manifest).map(toMirrored), [validated]).queue.map(({ epoch }) => epoch);
  expect(files([])).toEqual([4, 1]);
  expect(files([4])).toEqual([1, 3]);
  expect(files([4, 3, 2, 1])).toEqual([]);
});
