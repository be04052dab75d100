/** Injects the faults of one run: waits for each moment, sends SIGKILL, records victims and time. */
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { RunFolder } from '../../configs/paths.ts';
import { acknowledgedCheckpoints, hashFile, parseJson, readEvents } from './job-record.ts';
import type { Job, Fault } from './fault-plan.ts';
import { readProcess } from './processes.ts';
import type { ChaosStack, StackProcess } from './stack.ts';
import { listProgram, listRanks, listSupervisors } from './trainer-tree.ts';

/** A fault that was injected. */
export interface InjectedFault {
  fault: Fault;
  /** Seconds since the epoch. */
  at: number;
  victims: { what: string; pid: number }[];
  /** Job with processes among the victims. */
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
  for (const fault of faults) {
    try {
      const before = injected.at(-1)?.at;
      if (before !== undefined && !fault.soon) await until(() => hasCheckpointSince(scene, before), ended);
      const frozen = await waitForMoment(fault, scene, ended);
      try {
        const watcher = versionOf(scene.folder.train.watcher);
        const injection = await injectFault(fault, scene, frozen, ended);
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

async function injectFault(
  fault: Fault,
  scene: FaultContext,
  frozen: number | undefined,
  ended: AbortSignal,
): Promise<InjectedFault> {
  // The target cannot appear while the job is frozen; then the process at the point is killed.
  const atPoint =
    frozen === undefined ? undefined : { victims: [{ what: 'at the point', pid: frozen }], job: jobOf(fault) };
  const { victims, job } = await until(() => findVictims(fault, scene, frozen) ?? atPoint, ended);
  const at = Date.now() / 1000;
  if (fault.freezeSeconds === undefined) for (const { pid } of victims) killProcess(pid);
  else await freeze(victims, fault.freezeSeconds, ended);
  const trainer = fault.target === 'machine' ? await killTrainer(scene) : undefined;
  return {
    fault,
    at,
    damagedCheckpoint: findDamagedCheckpoint(scene),
    adoptedAfterSeconds: null,
    victims: [...victims, ...(trainer?.victims ?? [])],
    job: trainer?.job ?? job,
  };
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

/** Returns undefined while no such process exists, for example during a restart. */
function findVictims(fault: Fault, scene: FaultContext, frozen: number | undefined): Victims | undefined {
  const { stack } = scene;
  const ofStack = (...names: StackProcess[]) =>
    names.flatMap((what) => {
      const pid = stack.pidOf(what);
      return pid === undefined ? [] : [{ what, pid }];
    });
  switch (fault.target) {
    case 'worker':
      return orUndefined({ victims: ofStack(fault.worker), job: null });
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
        const chosen = fault.otherRank
          ? (others[0] ?? ranks[0])
          : (ranks.find(({ pid }) => pid === frozen) ?? ranks[0]);
        return labelVictims('rank', chosen === undefined ? [] : [chosen]);
      });
    default:
      return fault.target satisfies never;
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
