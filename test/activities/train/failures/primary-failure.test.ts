import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findPrimaryFailure } from '../../../../activities/train/failures/primary-failure.ts';
import { runFolder } from '../../../../configs/paths.ts';
import type { RunPlan, TrainerExit, TrainerOwner } from '../../../../configs/schema/index.ts';
import { miniInput, miniPlan } from '../../../helpers/mini-run.ts';

const plan: RunPlan = { ...miniPlan, gpus: 3, input: { ...miniInput, gpus: 3, hosts: ['a', 'b', 'c'] } };
const owner: TrainerOwner = {
  v: 1,
  pid: 1,
  startTicks: 1,
  host: 'x',
  attempt: 7,
  fence: 7,
  logOffset: 0,
  gpus: [],
  startedAt: 0,
};
const ended = (over: Partial<TrainerExit>): TrainerExit => ({
  v: 1,
  attempt: 7,
  fence: 7,
  code: 1,
  signal: null,
  stopRequested: false,
  reason: 'crashed',
  rootCause: null,
  startedAt: 0,
  endedAt: 100,
  ...over,
});
const failedAt = (at: number) => ({ rank: 1, pid: 1, exitCode: 1, signal: null, message: 'x', at });

let home: string;
beforeEach(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-hosts-`);
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** Returns the host that failed first, where `a` leads. */
async function decide(exits: { a: TrainerExit; b?: TrainerExit; c?: TrainerExit }): Promise<string> {
  const folder = runFolder(home, 'mini');
  for (const host of ['b', 'c'] as const) {
    const { dir, owner: ownerFile, exit } = folder.host(host);
    await mkdir(dir, { recursive: true });
    await writeFile(ownerFile, JSON.stringify(exits[host] === undefined ? { ...owner, fence: 6 } : owner));
    await writeFile(exit, JSON.stringify(exits[host] ?? ended({ fence: 6 })));
  }
  const own = { job: folder.host('a'), owner, outcome: { exit: exits.a } };
  return (await findPrimaryFailure(folder, plan, own)).job.dir.slice(-1);
}

const fine = ended({ code: 0, reason: 'finished' });

test('findPrimaryFailure prefers a host that failed to hosts that it ended', async () => {
  const consequence = ended({ endedBy: 'c', endedAt: 90 });
  expect(await decide({ a: consequence, b: fine, c: ended({ rootCause: failedAt(95) }) })).toBe('c');
});

test('findPrimaryFailure prefers the first of two failures', async () => {
  const [first, second] = [ended({ rootCause: failedAt(10) }), ended({ rootCause: failedAt(11), reason: 'hung' })];
  expect(await decide({ a: second, b: first, c: fine })).toBe('b');
  expect(await decide({ a: first, b: second, c: fine })).toBe('a');
});

test('findPrimaryFailure prefers a killed rank to an exception on another host', async () => {
  const killed = ended({ rootCause: { ...failedAt(12), exitCode: null, signal: 'SIGKILL' } });
  expect(await decide({ a: ended({ rootCause: failedAt(10) }), b: fine, c: killed })).toBe('c');
});

test('findPrimaryFailure prefers a preempted host when all were told to stop', async () => {
  const saved = ended({ reason: 'preempted', stopRequested: true });
  expect(await decide({ a: ended({ stopRequested: true }), b: saved, c: saved })).toBe('b');
});

test('findPrimaryFailure ignores outcomes of an earlier attempt', async () => {
  expect(await decide({ a: fine })).toBe('a');
});
