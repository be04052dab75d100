import { readdir, readFile, realpath } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { homeFolders, jobFolder } from '../../configs/paths.ts';
import { TrainerOwner } from '../../configs/schema/index.ts';
import { readJson } from '../shared/files/json-file.ts';
import { isAlive, processStartTicks } from '../shared/trainer/process-identity.ts';
import { trainerGraceSeconds } from '../shared/trainer/trainer-argv.ts';

/** A process of a job whose supervisor is dead: nobody stops it, and no attempt can adopt it. */
export interface Orphan {
  pid: number;
  startTicks: number;
  /** Folder of its job, as its supervisor wrote it into its environment. */
  job: string;
}

/**
 * Ends what supervisors that were killed left behind, and which would keep GPUs for ever if nobody started the run again.
 * An orphan was told to save by its supervisor's death; so it is killed only if it still lives after the grace, and its
 * job still has no supervisor. A live trainer is never touched, whoever started it.
 * @returns those that were killed.
 */
export async function sweepOrphans(home: string, graceMs = trainerGraceSeconds * 1000): Promise<Orphan[]> {
  const suspects = await findOrphans(home);
  if (suspects.length === 0) return [];
  await sleep(graceMs, undefined, { ref: false });
  const killed: Orphan[] = [];
  for (const orphan of suspects) {
    if (await hasSupervisor(orphan.job)) continue;
    if ((await processStartTicks(orphan.pid)) !== orphan.startTicks) continue;
    process.kill(orphan.pid, 'SIGKILL');
    killed.push(orphan);
  }
  return killed;
}

async function findOrphans(home: string): Promise<Orphan[]> {
  const runs = await realpath(homeFolders(home).runs).catch(() => undefined);
  if (runs === undefined) return [];
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid): Promise<Orphan[]> => {
      const startTicks = await processStartTicks(pid);
      const job = await readJobVariable(pid);
      if (startTicks === undefined || !job?.startsWith(`${runs}/`)) return [];
      return (await hasSupervisor(job)) ? [] : [{ pid, startTicks, job }];
    }),
  );
  return found.flat();
}

const hasSupervisor = async (job: string): Promise<boolean> => {
  const owner = await readJson(jobFolder(job).owner, TrainerOwner);
  if (owner === undefined) return false;
  // Slurm starts ranks here for a supervisor elsewhere: whether that one lives cannot be seen from here.
  return owner.host !== hostname() || (await isAlive(owner));
};

/** Of another user's process nobody may read it: undefined. */
async function readJobVariable(pid: number): Promise<string | undefined> {
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  const mark = 'EVERSWIN_JOB=';
  return environment
    .split('\0')
    .find((pair) => pair.startsWith(mark))
    ?.slice(mark.length);
}
