import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { TrainerOwner } from '../../../configs/schema/index.ts';
import { systemErrorCode } from '../errors/coded-error.ts';

/** Names one process for ever: a recycled pid has another start time. */
export type ProcessIdentity = Pick<TrainerOwner, 'host' | 'pid' | 'startTicks'>;

/** Does that very process still live, here? */
export const isAlive = async ({ host, pid, startTicks }: ProcessIdentity): Promise<boolean> =>
  host === hostname() && (await processStartTicks(pid)) === startTicks;

/** Signals exactly that process and nobody who got its pid later. */
export async function signalProcess(owner: ProcessIdentity, signal: NodeJS.Signals): Promise<void> {
  if (await isAlive(owner)) process.kill(owner.pid, signal);
}

/** Field 22 of /proc/<pid>/stat, counted behind the last `)`: the name before it may hold blanks. Undefined for a dead or zombie process. */
export async function processStartTicks(pid: number): Promise<number | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : Number(fields[18]);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ESRCH') return undefined;
    throw error;
  }
}
