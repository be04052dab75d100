/** Injects the kills of one run: waits for each moment, sends SIGKILL, records victims and time. */
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { RunFolder } from '../../configs/paths.ts';
import { acknowledgedCheckpoints, hashFile, parseJson, readEvents } from './job-record.ts';
import type { Job, Kill } from './kill-plan.ts';
import { readProcess } from './processes.ts';
import type { ChaosStack, StackProcess } from './stack.ts';
import { listProgram, listRanks, listSupervisors } from './trainer-tree.ts';

/** A kill that was injected. */
export interface InjectedKill {
  kill: Kill;
  /** Seconds since the epoch. */
  at: number;
  victims: { what: string; pid: number }[];
  /** Job with processes among the victims. */
  job: Job | null;
  /** Acknowledged checkpoint that was damaged right after the kill. */
  damagedCheckpoint: string | null;
  /** After the kill of a GPU worker: time until the next one watched the trainer. */
  adoptedAfterSeconds: number | null;
}

export interface KillContext {
  stack: ChaosStack;
  folder: RunFolder;
  runId: string;
}

const pollMs = 5;

/** Injects the kills in order until all are done or `ended` is aborted. A moment that never comes is skipped. */
export async function injectKills(kills: Kill[], scene: KillContext, ended: AbortSignal): Promise<InjectedKill[]> {
  const injected: InjectedKill[] = [];
  const measurements: Promise<void>[] = [];
  for (const kill of kills) {
    try {
      const before = injected.at(-1)?.at;
      if (before !== undefined && !kill.soon) await until(() => hasCheckpointSince(scene, before), ended);
      const frozen = await waitForMoment(kill, scene, ended);
      try {
        const watcher = versionOf(scene.folder.train.watcher);
        const injection = await injectKill(kill, scene, frozen, ended);
        injected.push(injection);
        if (watcher !== 'absent') measurements.push(measureAdoption(injection, watcher, scene, ended));
      } finally {
        if (frozen !== undefined && readProcess(frozen) !== undefined) process.kill(frozen, 'SIGCONT');
      }
    } catch (error) {
      if (ended.aborted) break;
      throw error;
    }
  }
  await Promise.all(measurements);
  return injected;
}

async function measureAdoption(
  injection: InjectedKill,
  watcher: string,
  { folder }: KillContext,
  ended: AbortSignal,
): Promise<void> {
  if (!injection.victims.some(({ what }) => what === 'gpu-worker')) return;
  const isNew = () => !['absent', watcher].includes(versionOf(folder.train.watcher));
  try {
    await until(isNew, ended);
    injection.adoptedAfterSeconds = Date.now() / 1000 - injection.at;
  } catch {
    // The run ended before another worker had to watch it.
  }
}

/** @returns the process that is frozen at the point, if the moment is a point. */
async function waitForMoment(
  { id, moment }: Kill,
  scene: KillContext,
  ended: AbortSignal,
): Promise<number | undefined> {
  switch (moment.at) {
    case 'time':
      await sleep(moment.seconds * 1000, undefined, { signal: ended });
      return undefined;
    case 'change': {
      const path = `${scene.folder.root}/${moment.path}`;
      const before = versionOf(path);
      await until(() => versionOf(path) !== before, ended);
      return undefined;
    }
    case 'point':
      return waitForPoint(id, moment, scene, ended);
    default:
      return moment satisfies never;
  }
}

const Reached = z.object({ pid: z.int() });

async function waitForPoint(
  id: number,
  { scope, job, point, nth }: Extract<Kill['moment'], { at: 'point' }>,
  { stack, runId }: KillContext,
  ended: AbortSignal,
): Promise<number> {
  const folder = `${stack.chaosDir}/${runId}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/armed.tmp`, JSON.stringify({ id, scope, job, point, nth }));
  renameSync(`${folder}/armed.tmp`, `${folder}/armed.json`);
  const reached = `${folder}/reached-${id}.json`;
  const read = () =>
    existsSync(reached) ? Reached.safeParse(parseJson(readFileSync(reached, 'utf8'))).data : undefined;
  const { pid } = await until(read, ended);
  await until(() => readProcess(pid)?.state !== 'S' && readProcess(pid)?.state !== 'R', ended);
  return pid;
}

async function injectKill(
  kill: Kill,
  scene: KillContext,
  frozen: number | undefined,
  ended: AbortSignal,
): Promise<InjectedKill> {
  // The target cannot appear while the job is frozen; then the process at the point is killed.
  const atPoint =
    frozen === undefined ? undefined : { victims: [{ what: 'at the point', pid: frozen }], job: jobOf(kill) };
  const { victims, job } = await until(() => findVictims(kill, scene, frozen) ?? atPoint, ended);
  const at = Date.now() / 1000;
  if (kill.freezeSeconds === undefined) for (const { pid } of victims) killProcess(pid);
  else await freeze(victims, kill.freezeSeconds, ended);
  const trainer = kill.target === 'machine' ? await killTrainer(scene) : undefined;
  return {
    kill,
    at,
    damagedCheckpoint: findDamagedCheckpoint(scene),
    adoptedAfterSeconds: null,
    victims: [...victims, ...(trainer?.victims ?? [])],
    job: trainer?.job ?? job,
  };
}

/** Kills the whole trainer, including what a dying worker was just starting. */
async function killTrainer(scene: KillContext): Promise<Victims | undefined> {
  const found = findTrainer(scene);
  for (let scans = 0; scans < 3; scans++) {
    for (const { pid } of findTrainer(scene)?.victims ?? []) killProcess(pid);
    await sleep(pollMs);
  }
  return found;
}

const jobOf = ({ moment }: Kill): Job | null => (moment.at === 'point' ? moment.job : null);

type Victims = Pick<InjectedKill, 'victims' | 'job'>;

/** Returns undefined while no such process exists, for example during a restart. */
function findVictims(kill: Kill, scene: KillContext, frozen: number | undefined): Victims | undefined {
  const { stack } = scene;
  const ofStack = (...names: StackProcess[]) =>
    names.flatMap((what) => {
      const pid = stack.pidOf(what);
      return pid === undefined ? [] : [{ what, pid }];
    });
  switch (kill.target) {
    case 'worker':
      return orUndefined({ victims: ofStack(kill.worker), job: null });
    case 'server':
      return orUndefined({ victims: ofStack('temporal-server'), job: null });
    case 'machine':
      // The workers first: they could start a trainer that is not visible yet.
      return { victims: ofStack('gpu-worker', 'control-worker', 'temporal-server'), job: null };
    case 'trainer':
      return findTrainer(scene);
    case 'supervisor':
      return findInEitherJob(scene, (dir) => labelVictims('supervisor', listSupervisors(stack.chaosDir, dir)));
    case 'rank':
      return findInEitherJob(scene, (dir) => {
        const ranks = listRanks(dir);
        const others = ranks.filter(({ pid }) => pid !== frozen);
        const chosen = kill.otherRank ? (others[0] ?? ranks[0]) : (ranks.find(({ pid }) => pid === frozen) ?? ranks[0]);
        return labelVictims('rank', chosen === undefined ? [] : [chosen]);
      });
    default:
      return kill.target satisfies never;
  }
}

/** Returns every process of the job. */
const findTrainer = (scene: KillContext): Victims | undefined =>
  findInEitherJob(scene, (dir) => [
    ...labelVictims('supervisor', listSupervisors(scene.stack.chaosDir, dir)),
    ...labelVictims('program', listProgram(dir)),
  ]);

const labelVictims = (what: string, processes: { pid: number }[]) => processes.map(({ pid }) => ({ what, pid }));

/** Training and test never run at the same time. */
function findInEitherJob({ folder }: KillContext, find: (dir: string) => InjectedKill['victims']): Victims | undefined {
  for (const job of ['train', 'test'] as const) {
    const found = orUndefined({ victims: find(folder[job].dir), job });
    if (found !== undefined) return found;
  }
  return undefined;
}

const orUndefined = (found: Victims): Victims | undefined => (found.victims.length === 0 ? undefined : found);

async function freeze(victims: readonly { pid: number }[], seconds: number, ended: AbortSignal): Promise<void> {
  for (const { pid } of victims) process.kill(pid, 'SIGSTOP');
  try {
    await sleep(seconds * 1000, undefined, { signal: ended });
  } finally {
    for (const { pid } of victims) process.kill(pid, 'SIGCONT');
  }
}

export function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just exited.
  }
}

/** Checks that the last acknowledged checkpoint is intact before anything can repair it. */
function findDamagedCheckpoint({ folder: { train } }: KillContext): string | null {
  const newest = [...acknowledgedCheckpoints(readEvents(train.dir)).values()].at(-1);
  if (newest?.file === undefined) return null;
  const isIntact = hashFile(`${train.checkpoints}/${newest.file}`) === newest.sha256;
  return isIntact && existsSync(`${train.checkpoints}/${newest.file.replace('.pth', '.json')}`) ? null : newest.file;
}

const hasCheckpointSince = ({ folder }: KillContext, since: number): boolean =>
  readEvents(folder.train.dir).some(({ type, t }) => type === 'checkpoint' && t > since);

/** Returns a value that changes when the file is replaced or the folder gets an entry. */
function versionOf(path: string): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? 'absent' : `${found.ino} ${found.mtimeNs} ${found.size}`;
}

/** Polls until the result is neither undefined nor false. @throws the reason of the signal. */
async function until<T>(poll: () => T | undefined | false, ended: AbortSignal): Promise<T> {
  for (;;) {
    const result = poll();
    if (result !== undefined && result !== false) return result;
    await sleep(pollMs, undefined, { signal: ended });
  }
}
