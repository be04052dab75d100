import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { TrainerOwner } from '../../../configs/schema/index.ts';
import { readProcFile } from './proc-file.ts';

/** Identity of a process that survives pid reuse, because a recycled pid has another start time. */
type ProcessIdentity = Pick<TrainerOwner, 'host' | 'boot' | 'pid' | 'startTicks'>;

/** Returns whether the process is alive on this host. */
export const isAlive = async (process: ProcessIdentity): Promise<boolean> =>
  (await isOnThisHost(process)) && (await processStartTicks(process.pid)) === process.startTicks;

/** Returns whether a process was started on this host, which may have been renamed since. */
export const isOnThisHost = async ({ host, boot }: Pick<ProcessIdentity, 'host' | 'boot'>): Promise<boolean> =>
  host === hostname() || (boot !== undefined && boot === (await readBootId()));

const readBootId = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();

/** Signals the process, but never another one that reuses its pid. */
export async function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals): Promise<void> {
  if (await isAlive(target)) process.kill(target.pid, signal);
}

/** Reads the start time of a process; undefined for a dead or zombie process. */
export async function processStartTicks(pid: number): Promise<number | undefined> {
  const stat = await readStat(pid);
  return stat && Number(stat.fields[18]);
}

/** Returns the state of a process, such as `R` or `T` (stopped); undefined for a dead or zombie process. */
export const readProcessState = async (pid: number): Promise<string | undefined> => (await readStat(pid))?.state;

/**
 * Reads /proc/<pid>/stat; undefined for a dead or zombie process. Fields are counted after the last `)`, because the
 * command name before it may contain spaces; the start time is field 22.
 */
async function readStat(pid: number): Promise<{ state: string; fields: string[] } | undefined> {
  const stat = await readProcFile(pid, 'stat');
  const [state = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === '' || state === 'Z' || state === 'X' ? undefined : { state, fields };
}
