/** Faults that last: each function starts one, and returns the function that ends it. */
import { renameSync, writeFileSync } from 'node:fs';
import { cp, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { execa } from 'execa';
import { targets as allTargets, type Target } from './fault-plan.ts';
import { readProcess, type Process } from './processes.ts';

export type EndFault = () => void | Promise<void>;

/** @throws Error that names the targets which this user cannot hit, and the others. */
export function requireSupport(targets: readonly Target[]): void {
  const mounting = targets.filter((target) => target === 'read-only' || target === 'disk-full');
  if (mounting.length === 0 || process.getuid?.() === 0) return;
  const others = allTargets.filter((target) => !mounting.some((one) => one === target));
  throw new Error(
    `the targets ${mounting.join(' and ')} mount file systems, which only root may do: run as root, or choose --target ${others.join(',')}`,
  );
}

export function freeze(victims: readonly { pid: number }[]): EndFault {
  const frozen = victims.flatMap(({ pid }) => readProcess(pid) ?? []);
  for (const { pid } of frozen) signalProcess(pid, 'SIGSTOP');
  return () => {
    for (const one of frozen) if (isSame(one)) signalProcess(one.pid, 'SIGCONT');
  };
}

/** Sends a signal unless the process has just exited. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just exited.
  }
}

const isSame = ({ pid, startTicks }: Process): boolean => readProcess(pid)?.startTicks === startTicks;

/**
 * Sets the soft limit of open files below the lowest free descriptor. A child would inherit it for good, so the limit of
 * a process of the stack is too low to start one; a lower one than that would break poll() in Python.
 */
export async function useUpFiles(pid: number, startsChildren: boolean): Promise<EndFault> {
  return limit(pid, 'nofile', startsChildren ? 3 : await findFreeDescriptor(pid));
}

async function findFreeDescriptor(pid: number): Promise<number> {
  const used = new Set((await readdir(`/proc/${pid}/fd`).catch(() => [])).map(Number));
  let free = 0;
  while (used.has(free)) free++;
  return free;
}

/** Limits the address space to nothing, so that the process gets no further memory from the kernel. */
export const useUpMemory = (pid: number): Promise<EndFault> => limit(pid, 'as', 0);

async function limit(pid: number, resource: 'nofile' | 'as', soft: number): Promise<EndFault> {
  const victim = readProcess(pid);
  await setLimit(pid, resource, `${soft}:`);
  return async () => {
    if (victim !== undefined && isSame(victim)) await setLimit(pid, resource, `${await readHardLimit(pid, resource)}:`);
  };
}

const setLimit = (pid: number, resource: string, value: string) =>
  execa('prlimit', ['--pid', `${pid}`, `--${resource}=${value}`], { reject: false });

async function readHardLimit(pid: number, resource: string): Promise<string> {
  const argv = ['--pid', `${pid}`, `--${resource}`, '--output', 'HARD', '--noheadings', '--raw'];
  return (await execa('prlimit', argv, { reject: false })).stdout.trim();
}

/**
 * Mounts the folder onto itself, read-only. Files that are already open for writing stay writable, as after the change of
 * an export or a permission.
 */
export async function makeReadOnly(folder: string, scratch: string): Promise<EndFault> {
  // Made read-only elsewhere first: at no moment may a process open a file through a writable mount.
  await execa('mount', ['--bind', folder, scratch]);
  try {
    await execa('mount', ['-o', 'remount,bind,ro', scratch]);
    await execa('mount', ['--bind', scratch, folder]);
  } finally {
    await execa('umount', ['--lazy', scratch]);
  }
  return async () => {
    // A process whose current folder is inside keeps the mount.
    await execa('mount', ['-o', 'remount,bind,rw', folder]);
    await execa('umount', ['--lazy', folder]);
  };
}

/** Mounts an empty file system that `fillDisk` can fill without harm to others. */
export async function mountSmallDisk(folder: string, mib: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  await execa('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'everswin-chaos', folder]);
}

/**
 * Unmounts what a fault, also an interrupted one, mounted on this folder or below.
 * @param keep leaves a copy of the content in the folder.
 */
export async function unmountAll(folder: string, keep: boolean): Promise<void> {
  // The innermost mount comes last.
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path === folder || path.startsWith(`${folder}/`));
  if (mounts.length === 0) return;
  const copy = `${folder}.kept`;
  if (keep) await cp(folder, copy, { recursive: true, verbatimSymlinks: true });
  for (const path of mounts.reverse()) await execa('umount', ['--lazy', path]);
  if (!keep) return;
  await rm(folder, { recursive: true });
  await rename(copy, folder);
}

/** Writes a file until no byte is free. */
export async function fillDisk(path: string): Promise<EndFault> {
  const file = await open(path, 'w');
  try {
    // Few large writes: on a busy machine, each one waits for its turn.
    for (let size = 2 ** 26; size >= 2 ** 10;) {
      const written = await file.write(Buffer.alloc(size)).catch(() => undefined);
      if (written === undefined) size /= 4;
    }
  } finally {
    await file.close();
  }
  return () => rm(path);
}

/** Shifts the wall clock that the process sees (shift-clock.ts, python/sitecustomize.py). */
export function shiftClock(path: string, seconds: number): EndFault {
  const write = (shift: number) => {
    writeFileSync(`${path}.new`, String(shift));
    renameSync(`${path}.new`, path);
  };
  write(seconds);
  return () => write(0);
}
