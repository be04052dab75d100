/** Carries out the kills of one run: waits for each moment, kills -9, writes down whom and when. */
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { RunFolder } from '../../configs/paths.ts';
import { acknowledgedCheckpoints, hashFile, parseJson, readEvents } from './job-record.ts';
import type { Job, Kill } from './plan-of-kills.ts';
import { readProcess } from './processes.ts';
import type { ChaosStack, StackProcess } from './stack.ts';
import { listProgram, listRanks, listSupervisors } from './trainer-tree.ts';

/** A kill that was carried out. */
export interface Blow {
  kill: Kill;
  /** Seconds since the epoch. */
  at: number;
  victims: { what: string; pid: number }[];
  /** The job whose processes were among the victims. */
  job: Job | null;
  /** An acknowledged checkpoint that was not whole right after the blow. */
  damaged: string | null;
  /** Of a killed GPU worker: until the next one watched the trainer. */
  watchedAgainSeconds: number | null;
}

export interface Scene {
  stack: ChaosStack;
  folder: RunFolder;
  runId: string;
}

const pollMs = 5;

/** Kill after kill until all are done or `over` is aborted: a moment that never came is not made up for. */
export async function carryOut(kills: Kill[], scene: Scene, over: AbortSignal): Promise<Blow[]> {
  const blows: Blow[] = [];
  const returns: Promise<void>[] = [];
  for (const kill of kills) {
    try {
      const before = blows.at(-1)?.at;
      if (before !== undefined && !kill.soon) await until(() => hasCheckpointSince(scene, before), over);
      const frozen = await waitForMoment(kill, scene, over);
      try {
        const watcher = versionOf(scene.folder.train.watcher);
        const blow = await strike(kill, scene, frozen, over);
        blows.push(blow);
        if (watcher !== 'absent') returns.push(noteReturn(blow, watcher, scene, over));
      } finally {
        if (frozen !== undefined && readProcess(frozen) !== undefined) process.kill(frozen, 'SIGCONT');
      }
    } catch (error) {
      if (over.aborted) break;
      throw error;
    }
  }
  await Promise.all(returns);
  return blows;
}

async function noteReturn(blow: Blow, watcher: string, { folder }: Scene, over: AbortSignal): Promise<void> {
  if (!blow.victims.some(({ what }) => what === 'gpu-worker')) return;
  const isNew = () => !['absent', watcher].includes(versionOf(folder.train.watcher));
  try {
    await until(isNew, over);
    blow.watchedAgainSeconds = Date.now() / 1000 - blow.at;
  } catch {
    // Nobody needed to watch it any more.
  }
}

/** @returns the process that stands still at the point, if the moment is one. */
async function waitForMoment({ id, moment }: Kill, scene: Scene, over: AbortSignal): Promise<number | undefined> {
  switch (moment.at) {
    case 'time':
      await sleep(moment.seconds * 1000, undefined, { signal: over });
      return undefined;
    case 'change': {
      const path = `${scene.folder.root}/${moment.path}`;
      const before = versionOf(path);
      await until(() => versionOf(path) !== before, over);
      return undefined;
    }
    case 'point':
      return waitForPoint(id, moment, scene, over);
    default:
      return moment satisfies never;
  }
}

const Reached = z.object({ pid: z.int() });

async function waitForPoint(
  id: number,
  { scope, job, point, nth }: Extract<Kill['moment'], { at: 'point' }>,
  { stack, runId }: Scene,
  over: AbortSignal,
): Promise<number> {
  const folder = `${stack.chaosDir}/${runId}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/armed.tmp`, JSON.stringify({ id, scope, job, point, nth }));
  renameSync(`${folder}/armed.tmp`, `${folder}/armed.json`);
  const reached = `${folder}/reached-${id}.json`;
  const read = () =>
    existsSync(reached) ? Reached.safeParse(parseJson(readFileSync(reached, 'utf8'))).data : undefined;
  const { pid } = await until(read, over);
  await until(() => readProcess(pid)?.state !== 'S' && readProcess(pid)?.state !== 'R', over);
  return pid;
}

async function strike(kill: Kill, scene: Scene, frozen: number | undefined, over: AbortSignal): Promise<Blow> {
  // Whoever is waited for cannot come while the job stands still: then it is the process at the point that dies.
  const atPoint =
    frozen === undefined ? undefined : { victims: [{ what: 'at the point', pid: frozen }], job: jobOf(kill) };
  const { victims, job } = await until(() => findVictims(kill, scene, frozen) ?? atPoint, over);
  const at = Date.now() / 1000;
  for (const { pid } of victims) killOne(pid);
  const trainer = kill.target === 'machine' ? await killTrainer(scene) : undefined;
  return {
    kill,
    at,
    damaged: findDamaged(scene),
    watchedAgainSeconds: null,
    victims: [...victims, ...(trainer?.victims ?? [])],
    job: trainer?.job ?? job,
  };
}

/** All of it, and what a worker that died in this moment was just starting. */
async function killTrainer(scene: Scene): Promise<Victims | undefined> {
  const found = findTrainer(scene);
  for (let scans = 0; scans < 3; scans++) {
    for (const { pid } of findTrainer(scene)?.victims ?? []) killOne(pid);
    await sleep(pollMs);
  }
  return found;
}

const jobOf = ({ moment }: Kill): Job | null => (moment.at === 'point' ? moment.job : null);

type Victims = Pick<Blow, 'victims' | 'job'>;

/** Undefined while there is none of that kind, as in the middle of a restart. */
function findVictims(kill: Kill, scene: Scene, frozen: number | undefined): Victims | undefined {
  const { stack } = scene;
  const ofStack = (...names: StackProcess[]) =>
    names.flatMap((what) => {
      const pid = stack.pidOf(what);
      return pid === undefined ? [] : [{ what, pid }];
    });
  switch (kill.target) {
    case 'worker':
      return someVictims({ victims: ofStack(kill.worker), job: null });
    case 'server':
      return someVictims({ victims: ofStack('temporal-server'), job: null });
    case 'machine':
      // The workers first: they could start a trainer that we do not see yet.
      return { victims: ofStack('gpu-worker', 'control-worker', 'temporal-server'), job: null };
    case 'trainer':
      return findTrainer(scene);
    case 'supervisor':
      return inEitherJob(scene, (dir) => name('supervisor', listSupervisors(stack.chaosDir, dir)));
    case 'rank':
      return inEitherJob(scene, (dir) => {
        const ranks = listRanks(dir);
        const others = ranks.filter(({ pid }) => pid !== frozen);
        const chosen = kill.otherRank ? (others[0] ?? ranks[0]) : (ranks.find(({ pid }) => pid === frozen) ?? ranks[0]);
        return name('rank', chosen === undefined ? [] : [chosen]);
      });
    default:
      return kill.target satisfies never;
  }
}

/** Every process of the job at once. */
const findTrainer = (scene: Scene): Victims | undefined =>
  inEitherJob(scene, (dir) => [
    ...name('supervisor', listSupervisors(scene.stack.chaosDir, dir)),
    ...name('program', listProgram(dir)),
  ]);

const name = (what: string, processes: { pid: number }[]) => processes.map(({ pid }) => ({ what, pid }));

/** Training and test never run side by side. */
function inEitherJob({ folder }: Scene, find: (dir: string) => Blow['victims']): Victims | undefined {
  for (const job of ['train', 'test'] as const) {
    const found = someVictims({ victims: find(folder[job].dir), job });
    if (found !== undefined) return found;
  }
  return undefined;
}

const someVictims = (found: Victims): Victims | undefined => (found.victims.length === 0 ? undefined : found);

export function killOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended in this very moment.
  }
}

/** What was acknowledged last must be whole now, before anybody repairs anything. */
function findDamaged({ folder: { train } }: Scene): string | null {
  const newest = [...acknowledgedCheckpoints(readEvents(train.dir)).values()].at(-1);
  if (newest?.file === undefined) return null;
  const isWhole = hashFile(`${train.checkpoints}/${newest.file}`) === newest.sha256;
  return isWhole && existsSync(`${train.checkpoints}/${newest.file.replace('.pth', '.json')}`) ? null : newest.file;
}

const hasCheckpointSince = ({ folder }: Scene, since: number): boolean =>
  readEvents(folder.train.dir).some(({ type, t }) => type === 'checkpoint' && t > since);

/** Changes whenever the file is replaced, or the folder gets another entry. */
function versionOf(path: string): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? 'absent' : `${found.ino} ${found.mtimeNs} ${found.size}`;
}

/** Asks until the answer is neither undefined nor false. @throws the signal's reason. */
async function until<T>(ask: () => T | undefined | false, over: AbortSignal): Promise<T> {
  for (;;) {
    const answer = ask();
    if (answer !== undefined && answer !== false) return answer;
    await sleep(pollMs, undefined, { signal: over });
  }
}
