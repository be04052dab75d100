import { spawn } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { listDescendants } from '../../../activities/shared/trainer/process-descendants.ts';
import { processStartTicks } from '../../../activities/shared/trainer/process-identity.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { killOrphans } from '../../../activities/train/kill-orphans.ts';
import { homeFolders, runFolder } from '../../../configs/paths.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';
import { createMiniRun, miniControl, miniPlan, type MiniRun } from '../../helpers/mini-run.ts';
import { until } from '../../helpers/until.ts';

let run: MiniRun | undefined;
afterEach(() => run?.remove());

/** Kills a process and waits until it has exited. */
async function killAndWait(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await untilExited(pid);
}

const untilExited = (pid: number) =>
  until(async () => ((await processStartTicks(pid)) === undefined ? true : undefined));

/** Starts a trainer that ignores SIGTERM. */
async function startIgnoringSigterm(prepare: (home: string) => Promise<void> = async () => {}): Promise<{
  supervisor: number;
  rank: number;
  outcome: Promise<unknown>;
  home: string;
}> {
  run = await createMiniRun('--ignore-sigterm', '--step-seconds', '1');
  const { dependencies, folder } = run;
  await prepare(dependencies.home);
  const { runTraining } = createGpuActivities(dependencies);
  const request = { plan: miniPlan, attempt: 1, control: miniControl, rollback: null, since: 0 };
  const outcome: Promise<unknown> = mockEnvironment().run(runTraining, request);
  const supervisor = (await until(() => findLiveJob(folder.train))).owner.pid;
  // It ignores signals from its first event on.
  await until(async () => (await readProgress(folder.train.progress))[0]);
  const rank = await until(async () => (await listDescendants(supervisor))[0]);
  return { supervisor, rank, outcome, home: dependencies.home };
}

test('killOrphans kills a trainer after the grace period when its supervisor is dead', async () => {
  const { supervisor, rank, outcome, home } = await startIgnoringSigterm();
  await killAndWait(supervisor);
  expect(await processStartTicks(rank)).toBeDefined();
  expect(await killOrphans(home, 300)).toMatchObject([
    { pid: rank, job: expect.stringContaining('/runs/mini/train') as string },
  ]);
  await untilExited(rank);
  await outcome;
});

test('killOrphans keeps a trainer whose supervisor is alive', async () => {
  const { supervisor, rank, outcome, home } = await startIgnoringSigterm();
  expect(await killOrphans(home, 0)).toEqual([]);
  expect(await processStartTicks(rank)).toBeDefined();
  process.kill(rank, 'SIGKILL');
  await outcome;
  await untilExited(supervisor);
});

test('killOrphans keeps a job whose owner cannot be read, and kills the orphans of another one', async () => {
  const { supervisor, rank, outcome, home } = await startIgnoringSigterm();
  const other = runFolder(home, 'other').train;
  await mkdir(other.owner, { recursive: true });
  const rankOfOther = spawn('sleep', ['60'], { env: { EVERSWIN_JOB: other.dir } });
  try {
    await killAndWait(supervisor);
    expect(await killOrphans(home, 0)).toMatchObject([{ pid: rank }]);
    await outcome;
  } finally {
    rankOfOther.kill('SIGKILL');
  }
});

test('killOrphans kills the orphans of a machine that was renamed since', async () => {
  const { supervisor, rank, outcome, home } = await startIgnoringSigterm();
  const { owner } = runFolder(home, 'mini').train;
  const record = JSON.parse(await readFile(owner, 'utf8')) as object;
  await killAndWait(supervisor);
  await writeFile(owner, JSON.stringify({ ...record, host: 'old-name' }));
  expect(await killOrphans(home, 0)).toMatchObject([{ pid: rank }]);
  await outcome;
});

test('killOrphans finds the orphans of a run whose folder is a symbolic link', async () => {
  const { supervisor, rank, outcome, home } = await startIgnoringSigterm(async (home) => {
    await mkdir(`${home}/elsewhere`);
    await mkdir(homeFolders(home).runs);
    await symlink(`${home}/elsewhere`, runFolder(home, 'mini').root);
  });
  await killAndWait(supervisor);
  expect(await killOrphans(home, 0)).toMatchObject([{ pid: rank }]);
  await outcome;
});

test('an attempt whose supervisor was killed ends when its ranks have ended', async () => {
  const { supervisor, rank, outcome } = await startIgnoringSigterm();
  let hasEnded = false;
  void outcome.then(() => (hasEnded = true));
  await killAndWait(supervisor);
  await sleep(1000); // four polls of the attempt
  expect(hasEnded).toBe(false);
  process.kill(rank, 'SIGKILL');
  expect(await outcome).toMatchObject({ outcome: 'crashed', failure: { class: 'supervisor-killed' } });
});
