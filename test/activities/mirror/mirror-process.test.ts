/** The mirror in its child process, with a store in a folder. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { MirrorConfig } from '../../../activities/mirror/mirror-messages.ts';
import { MirrorProcess } from '../../../activities/mirror/mirror-process.ts';
import { createCheckpointFolder, type CheckpointFolder } from '../../helpers/checkpoint-folder.ts';
import { miniPlan } from '../../helpers/mini-run.ts';
import { projectRoot } from '../../helpers/project.ts';
import { until } from '../../helpers/until.ts';

let here: CheckpointFolder;
const mirrors: MirrorProcess[] = [];

beforeEach(async () => (here = await createCheckpointFolder()));
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(mirrors.splice(0).map((mirror) => mirror.stop()));
  await here.remove();
});

const config = (over: Partial<MirrorConfig> = {}): MirrorConfig => {
  const home = here.folder.root.replace(`/runs/${miniPlan.runId}`, '');
  const address = pathToFileURL(`${home}/mirrored`).href;
  return { home, address, runId: miniPlan.runId, fence: 1, s3: {}, pollMs: 100, ...over };
};
const start = (over: Partial<MirrorConfig> = {}): MirrorProcess => {
  const mirror = new MirrorProcess(config(over));
  mirrors.push(mirror);
  return mirror;
};
const flush = (mirror: MirrorProcess) => mirror.flush(AbortSignal.timeout(200_000));
const pidOf = ({ pid }: MirrorProcess): number => {
  if (pid === undefined) throw new Error('no process mirrors');
  return pid;
};
/** Returns the nice value of each thread: field 19 of its stat. */
const niceValues = (pid: number): Set<number> =>
  new Set(
    readdirSync(`/proc/${pid}/task`).map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').split(') ')[1]?.split(' ')[16]),
    ),
  );
const isGone = (pid: number) => until(() => Promise.resolve(existsSync(`/proc/${pid}`) ? undefined : true));

test('all threads of the mirror have the lowest priority, unlike the worker and its other children', async () => {
  vi.stubEnv('NODE_OPTIONS', '');
  const before = niceValues(process.pid);
  const mirror = start();
  await until(() => Promise.resolve(isDeepStrictEqual(niceValues(pidOf(mirror)), new Set([19])) || undefined));
  expect(niceValues(process.pid)).toEqual(before);
  expect(before).not.toContain(19);
  const { stdout } = await execa('nice');
  expect(before).toContain(Number(stdout));
});

// Like the trainer, the mirror has another session than the worker.
test.runIf(existsSync('/proc/self/autogroup'))('the session of the mirror gets the least of the CPU', async () => {
  vi.stubEnv('NODE_OPTIONS', '');
  const mirror = start();
  const autogroupOf = (pid: number | string) => readFileSync(`/proc/${pid}/autogroup`, 'utf8').trim();
  await until(() => Promise.resolve(autogroupOf(pidOf(mirror)).endsWith('nice 19') || undefined));
  expect(autogroupOf('self')).not.toMatch(/nice 19$/);
});

test('a mirror uploads the newest checkpoint', async () => {
  const file = await here.save();
  expect(await flush(start())).toMatchObject({ backlog: 0, newest: { file }, problem: null });
});

test('a killed mirror is reported and restarted, and completes a pending flush', async () => {
  await here.save({ epoch: 1 });
  const mirror = start();
  await flush(mirror);
  const killed = pidOf(mirror);
  process.kill(killed, 'SIGSTOP');
  const file = await here.save({ epoch: 2 });
  const flushed = flush(mirror);
  process.kill(killed, 'SIGKILL');
  const problem = await until(() => Promise.resolve(mirror.state().problem ?? undefined));
  expect(problem).toBe('The mirror process ended with SIGKILL; it restarts in 0.1 s.');
  expect(await flushed).toMatchObject({ backlog: 0, newest: { file }, problem: null });
  expect(pidOf(mirror)).not.toBe(killed);
});

test('a mirror that cannot start is restarted until stop', async () => {
  const mirror = start({ address: 's3://' });
  const problems = new Set<string>();
  await until(() => {
    const { problem } = mirror.state();
    if (problem !== null) problems.add(problem);
    return Promise.resolve(problems.size === 2 ? true : undefined);
  });
  expect([...problems]).toEqual([
    'The mirror process ended with code 1; it restarts in 0.1 s.',
    'The mirror process ended with code 1; it restarts in 0.2 s.',
  ]);
  await mirror.stop();
});

test('a stopped mirror leaves no process, even during an upload', async () => {
  const mirror = start();
  const early = pidOf(mirror);
  await mirror.stop();
  await isGone(early);
  expect(await flush(mirror)).toMatchObject({ newest: null });
});

test('a mirror does not keep its worker from exiting, and ends with it', async () => {
  await here.save();
  const program = `${projectRoot}/test/fixtures/mirror-worker.ts`;
  const argv = [program, JSON.stringify(config())];
  const { stdout } = await execa(process.execPath, argv, { cwd: projectRoot });
  expect(Number(stdout)).toBeGreaterThan(1);
  await isGone(Number(stdout));
});
