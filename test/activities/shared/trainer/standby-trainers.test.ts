import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StandbyTrainers } from '../../../../activities/shared/trainer/standby-trainers.ts';
import { jobFolder, type JobFolder } from '../../../../configs/paths.ts';
import { findMarked } from '../../../chaos/processes.ts';
import { projectRoot, python } from '../../../helpers/project.ts';
import { until } from '../../../helpers/until.ts';
import { killAll } from '../../../helpers/kill-all.ts';

const request = { argv: ['--job-dir', 'x'], env: { A: 'b' } };
const marker = 'EVERSWIN_STANDBY_TEST';
let job: JobFolder;
let standbys: StandbyTrainers;

beforeEach(async () => {
  job = jobFolder(await mkdtemp(`${tmpdir()}/everswin-standby-`));
  standbys = new StandbyTrainers();
});
afterEach(async () => {
  vi.restoreAllMocks();
  standbys.end(job);
  killAll(processes().map(({ pid }) => pid));
  await rm(job.dir, { recursive: true });
});

const processes = () => findMarked(marker, job.dir);

function prepare(mode: string): void {
  const env = { PYTHONPATH: `${projectRoot}/test/fixtures/standby`, MODE: mode, [marker]: job.dir };
  standbys.prepare(job, { executable: python, env }, 'cpu', 1);
}

const untilReady = () => until(() => standbys.isReady(job) || undefined);
const untilEnded = () => until(() => processes().length === 0 || undefined);

test('a ready standby accepts an attempt and is no longer ended with the job', async () => {
  prepare('accepts');
  await untilReady();
  const child = await standbys.take(job, request);
  expect(child?.pid).toBe(processes()[0]?.pid);
  expect(JSON.parse(await readFile(`${job.dir}/request`, 'utf8'))).toEqual(request);
  standbys.end(job);
  expect(child?.killed).toBe(false);
  expect(await standbys.take(job, request)).toBeUndefined();
});

test('a standby that still imports is ended when an attempt starts', async () => {
  prepare('importing');
  await until(() => existsSync(`${job.dir}/began`) || undefined);
  expect(await standbys.take(job, request)).toBeUndefined();
  await untilEnded();
});

test('a standby that refuses an attempt leaves it to a new supervisor', async () => {
  prepare('refuses');
  await untilReady();
  expect(await standbys.take(job, request)).toBeUndefined();
  await untilEnded();
});

test('a standby ends with its job', async () => {
  prepare('accepts');
  await untilReady();
  standbys.end(job);
  await untilEnded();
});

test('a job gets one standby, and none when memory is short', () => {
  const available = vi.spyOn(process, 'availableMemory').mockReturnValue(2 ** 30);
  prepare('accepts');
  expect(processes()).toEqual([]);
  available.mockReturnValue(2 ** 40);
  prepare('accepts');
  prepare('accepts');
  expect(processes()).toHaveLength(1);
});
