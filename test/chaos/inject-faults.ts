/** Injects the faults of one run: waits for each moment, starts the fault, ends it, records victims and times. */
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { homeFolders, type RunFolder } from '../../configs/paths.ts';
import type { Fault, Job, Lasting, Victim } from './fault-plan.ts';
import { acknowledgedCheckpoints, hashFile, parseJson, readEvents } from './job-record.ts';
import * as lasting from './lasting-faults.ts';
import { readProcess } from './processes.ts';
import type { ChaosStack, StackProcess } from './stack.ts';
import { listProgram, listRanks, listSupervisors } from './trainer-tree.ts';

/** A fault that was injected. */
export interface InjectedFault {
  fault: Fault;
  /** Seconds since the epoch. A kill ends when it begins. */
  at: number;
  endedAt: number;
  victims: { what: string; pid: number }[];
  /** Job that the fault can make crash. */
  job: Job | null;
  /** Acknowledged checkpoint that was damaged right after the fault. */
  damagedCheckpoint: string | null;
  /** After the kill of a GPU worker: time until the next one watched the trainer. */
  adoptedAfterSeconds: number | null;
}

export interface FaultContext {
  stack: ChaosStack;
  folder: RunFolder;
  runId: string;
}

const pollMs = 5;

/** Injects the faults in order until all are done or `ended` is aborted. A moment that never comes is skipped. */
export async function injectFaults(faults: Fault[], scene: FaultContext, ended: AbortSignal): Promise<InjectedFault[]> {
  const injected: InjectedFault[] = [];
  const measurements: Promise<void>[] = [];
  let lastEnd = Promise.resolve();
  for (const fault of faults) {
    try {
      if (!fault.soon) {
        await lastEnd;
        const before = injected.at(-1)?.endedAt;
        if (before !== undefined) await until(() => hasCheckpointSince(scene, before), ended);
      }
      const frozen = await waitForMoment(fault, scene, ended);
      const watcher = versionOf(scene.folder.train.watcher);
      try {
        const { injection, end } = await injectFault(fault, scene, frozen, ended);
        injected.push(injection);
        lastEnd = Promise.all([lastEnd, end]).then(() => undefined);
        if (watcher !== 'absent') measurements.push(measureAdoption(injection, watcher, scene, ended));
      } finally {
        if (frozen !== undefined && !isFrozenBy(fault, injected.at(-1), frozen))
          lasting.signalProcess(frozen, 'SIGCONT');
      }
    } catch (error) {
      if (ended.aborted) break;
      await lastEnd;
      throw error;
    }
  }
  await Promise.all([lastEnd, ...measurements]);
  return injected;
}

/** A process that a freeze stopped is continued at the end of the freeze. */
const isFrozenBy = (fault: Fault, injection: InjectedFault | undefined, pid: number): boolean =>
  fault.action.kind === 'freeze' &&
  injection?.fault === fault &&
  injection.victims.some((victim) => victim.pid === pid);

async function measureAdoption(
  injection: InjectedFault,
  watcher: string,
  { folder }: FaultContext,
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
  { id, moment }: Fault,
  scene: FaultContext,
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
  { scope, job, point, nth }: Extract<Fault['moment'], { at: 'point' }>,
  { stack, runId }: FaultContext,
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

/** Starts the fault. `end` resolves when it has ended. */
async function injectFault(
  fault: Fault,
  scene: FaultContext,
  frozen: number | undefined,
  ended: AbortSignal,
): Promise<{ injection: InjectedFault; end: Promise<void> }> {
  const { action } = fault;
  // The target cannot appear while the job is frozen; then the process at the point is hit.
  const atPoint =
    frozen === undefined ? undefined : { victims: [{ what: 'at the point', pid: frozen }], job: jobOf(fault) };
  const { victims, job } = await until(() => findTargets(fault, scene, frozen) ?? atPoint, ended);
  const at = Date.now() / 1000;
  const injection: InjectedFault = {
    fault,
    at,
    endedAt: at,
    victims,
    job,
    damagedCheckpoint: null,
    adoptedAfterSeconds: null,
  };
  if (action.kind === 'kill') {
    for (const { pid } of victims) killProcess(pid);
    if (action.victim === 'machine') injection.job = (await killTrainer(scene))?.job ?? job;
    injection.damagedCheckpoint = findDamagedCheckpoint(scene);
    return { injection, end: Promise.resolve() };
  }
  const endFault = await begin(action, fault.id, victims, scene);
  const end = async () => {
    try {
      await sleep(action.seconds * 1000, undefined, { signal: ended }).catch(() => undefined);
    } finally {
      await endFault();
      injection.endedAt = Date.now() / 1000;
      injection.damagedCheckpoint = findDamagedCheckpoint(scene);
    }
  };
  return { injection, end: end() };
}

async function begin(
  action: Lasting,
  id: number,
  victims: InjectedFault['victims'],
  scene: FaultContext,
): Promise<lasting.EndFault> {
  const { stack } = scene;
  switch (action.kind) {
    case 'freeze':
      return lasting.freeze(victims);
    case 'emfile':
      return inAll(victims, ({ what, pid }) => lasting.useUpFiles(pid, stackProcesses.has(what)));
    case 'enomem':
      return inAll(victims, ({ pid }) => lasting.useUpMemory(pid));
    case 'read-only': {
      const scratch = await mkdtemp(`${stack.home}/read-only-`);
      const endFault = await lasting.makeReadOnly(pathOf(action.folder, scene), scratch);
      await rmdir(scratch);
      return endFault;
    }
    case 'disk-full':
      return lasting.fillDisk(`${action.disk === 'home' ? stack.home : homeFolders(stack.home).runs}/.full-${id}`);
    case 'clock':
      return lasting.shiftClock(`${stack.chaosDir}/clock-${action.victim}`, action.shiftSeconds);
    case 'network':
      return stack.disconnect(action.victim, action.how);
    default:
      return action satisfies never;
  }
}

async function inAll(
  victims: InjectedFault['victims'],
  start: (victim: InjectedFault['victims'][number]) => Promise<lasting.EndFault>,
): Promise<lasting.EndFault> {
  const ends = await Promise.all(victims.map(start));
  return async () => {
    for (const end of ends) await end();
  };
}

/** Returns the folder, or the nearest one that exists: before the first checkpoint, its folder cannot be created. */
function pathOf(name: 'run' | 'checkpoints' | 'store', { stack, folder }: FaultContext): string {
  const paths = {
    run: [],
    checkpoints: [folder.train.checkpoints, folder.train.dir],
    store: [homeFolders(stack.home).store],
  };
  return paths[name].find((path) => existsSync(path)) ?? folder.root;
}

/** Kills the whole trainer, including what a dying worker was just starting. */
async function killTrainer(scene: FaultContext): Promise<Victims | undefined> {
  const found = findTrainer(scene);
  for (let scans = 0; scans < 3; scans++) {
    for (const { pid } of findTrainer(scene)?.victims ?? []) killProcess(pid);
    await sleep(pollMs);
  }
  return found;
}

const jobOf = ({ moment }: Fault): Job | null => (moment.at === 'point' ? moment.job : null);

type Victims = Pick<InjectedFault, 'victims' | 'job'>;

/** Returns undefined while what the fault hits does not exist, for example during a restart. */
function findTargets({ action }: Fault, scene: FaultContext, frozen: number | undefined): Victims | undefined {
  const { stack } = scene;
  switch (action.kind) {
    case 'kill':
    case 'freeze':
    case 'emfile':
    case 'enomem':
      return findVictims(action.victim, scene, frozen);
    case 'read-only':
    case 'disk-full':
      // A trainer that starts during the fault is hit, too.
      return { victims: [], job: findTrainer(scene)?.job ?? 'train' };
    case 'clock':
      // Time is no reason for a crash.
      return { victims: [], job: null };
    case 'network':
      return stack.pidOf(action.victim) === undefined ? undefined : { victims: [], job: null };
    default:
      return action satisfies never;
  }
}

const stackProcesses = new Set<string>(['temporal-server', 'control-worker', 'gpu-worker'] satisfies StackProcess[]);

function findVictims(victim: Victim, scene: FaultContext, frozen: number | undefined): Victims | undefined {
  const { stack } = scene;
  const ofStack = (...names: StackProcess[]) =>
    names.flatMap((what) => {
      const pid = stack.pidOf(what);
      return pid === undefined ? [] : [{ what, pid }];
    });
  switch (victim) {
    case 'gpu-worker':
    case 'control-worker':
      return orUndefined({ victims: ofStack(victim), job: null });
    case 'server':
      return orUndefined({ victims: ofStack('temporal-server'), job: null });
    case 'machine': {
      // The workers first: they could start a trainer that is not visible yet.
      const { victims = [], job = null } = findTrainer(scene) ?? {};
      return { victims: [...ofStack('gpu-worker', 'control-worker', 'temporal-server'), ...victims], job };
    }
    case 'trainer':
      return findTrainer(scene);
    case 'supervisor':
      return findInEitherJob(scene, (dir) => labelVictims('supervisor', listSupervisors(stack.chaosDir, dir)));
    case 'rank':
    case 'other-rank':
      return findInEitherJob(scene, (dir) => {
        const ranks = listRanks(dir);
        const others = ranks.filter(({ pid }) => pid !== frozen);
        const isOther = victim === 'other-rank';
        const chosen = isOther ? (others[0] ?? ranks[0]) : (ranks.find(({ pid }) => pid === frozen) ?? ranks[0]);
        return labelVictims('rank', chosen === undefined ? [] : [chosen]);
      });
    default:
      return victim satisfies never;
  }
}

/** Returns every process of the job. */
const findTrainer = (scene: FaultContext): Victims | undefined =>
  findInEitherJob(scene, (dir) => [
    ...labelVictims('supervisor', listSupervisors(scene.stack.chaosDir, dir)),
    ...labelVictims('program', listProgram(dir)),
  ]);

const labelVictims = (what: string, processes: { pid: number }[]) => processes.map(({ pid }) => ({ what, pid }));

/** Training and test never run at the same time. */
function findInEitherJob(
  { folder }: FaultContext,
  find: (dir: string) => InjectedFault['victims'],
): Victims | undefined {
  for (const job of ['train', 'test'] as const) {
    const found = orUndefined({ victims: find(folder[job].dir), job });
    if (found !== undefined) return found;
  }
  return undefined;
}

const orUndefined = (found: Victims): Victims | undefined => (found.victims.length === 0 ? undefined : found);

export const killProcess = (pid: number): void => lasting.signalProcess(pid, 'SIGKILL');

/** Checks that the last acknowledged checkpoint is intact before anything can repair it. */
function findDamagedCheckpoint({ folder: { train } }: FaultContext): string | null {
  const newest = [...acknowledgedCheckpoints(readEvents(train.dir)).values()].at(-1);
  if (newest?.file === undefined) return null;
  const isIntact = hashFile(`${train.checkpoints}/${newest.file}`) === newest.sha256;
  return isIntact && existsSync(`${train.checkpoints}/${newest.file.replace('.pth', '.json')}`) ? null : newest.file;
}

const hasCheckpointSince = ({ folder }: FaultContext, since: number): boolean =>
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
