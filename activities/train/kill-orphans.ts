import { readdir, realpath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { jobFolder, runFolder, type JobFolder } from '../../configs/paths.ts';
import { TrainerOwner } from '../../configs/schema/index.ts';
import { listRuns } from '../plan/references.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';
import { readJson } from '../shared/files/json-file.ts';
import { ignoreStorageErrors } from '../shared/files/storage-error.ts';
import { listParents } from '../shared/trainer/process-descendants.ts';
import { readProcFile } from '../shared/trainer/proc-file.ts';
import { isAlive, isOnThisHost, processStartTicks } from '../shared/trainer/process-identity.ts';
import { trainerGraceSeconds } from '../shared/trainer/trainer-argv.ts';

const pollMs = 50;

/** Process of a job whose supervisor is dead. No attempt can adopt it, and no supervisor stops it. */
interface Orphan {
  pid: number;
  startTicks: number;
  /** Job folder, from the environment that the supervisor set. */
  job: string;
}

/**
 * Kills the processes that dead supervisors left behind, which would hold their GPUs indefinitely. An orphan saves when
 * its supervisor dies, so it is killed only after the grace period. Trainers with a supervisor are kept.
 * @returns the killed processes.
 */
export async function killOrphans(home: string, graceMs = trainerGraceSeconds * 1000): Promise<Orphan[]> {
  const runs = await Promise.all((await listRuns(home)).map((runId) => resolvePath(runFolder(home, runId).root)));
  const orphans = await findOrphans((job) => runs.some((run) => run !== undefined && job.startsWith(`${run}/`)));
  if (orphans.length === 0) return [];
  await sleep(graceMs, undefined, { ref: false });
  return kill(orphans);
}

/**
 * Waits until no process of a job without a known supervisor is alive, and kills those that outlast the grace period.
 * Until then they may still complete a checkpoint.
 */
export async function endOrphans({ dir }: JobFolder, graceMs = trainerGraceSeconds * 1000): Promise<void> {
  const resolved = await resolvePath(dir);
  const ends = performance.now() + graceMs;
  const stopped = new Set<number>();
  for (;;) {
    const orphans = await findOrphans((job) => job === resolved);
    if (orphans.length === 0) return;
    await stopSupervisors(orphans, stopped);
    if (performance.now() > ends) await kill(orphans);
    await sleep(pollMs);
  }
}

/** Asks supervisors to save and stop that are alive but unknown, because the folder of their job was deleted. */
async function stopSupervisors(orphans: readonly Orphan[], stopped: Set<number>): Promise<void> {
  const parents = new Map(await listParents());
  for (const { pid, job } of orphans) {
    const parent = parents.get(pid) ?? 0;
    if (stopped.has(parent) || !(await supervises(parent, job))) continue;
    stopped.add(parent);
    process.kill(parent, 'SIGTERM');
  }
}

async function supervises(pid: number, job: string): Promise<boolean> {
  const [, ...argv] = (await readProcFile(pid, 'cmdline')).split('\0');
  return argv.includes('supervise') && argv[argv.indexOf('--job-dir') + 1] === job;
}

async function kill(orphans: readonly Orphan[]): Promise<Orphan[]> {
  const killed: Orphan[] = [];
  for (const orphan of orphans) {
    if (await hasSupervisor(orphan.job)) continue;
    if ((await processStartTicks(orphan.pid)) !== orphan.startTicks) continue;
    process.kill(orphan.pid, 'SIGKILL');
    killed.push(orphan);
  }
  return killed;
}

/** @param isOurs tells the jobs to search by their folder, which has no symbolic links. */
async function findOrphans(isOurs: (job: string) => boolean): Promise<Orphan[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid): Promise<Orphan[]> => {
      const startTicks = await processStartTicks(pid);
      const job = await readJobVariable(pid);
      if (startTicks === undefined || job === undefined || !isOurs(job)) return [];
      return (await hasSupervisor(job)) ? [] : [{ pid, startTicks, job }];
    }),
  );
  return found.flat();
}

/** A supervisor whose record cannot be read counts as alive: its job is left alone, and no other job waits for it. */
const hasSupervisor = (job: string): Promise<boolean> => ignoreStorageErrors(readSupervisor(job), true);

async function readSupervisor(job: string): Promise<boolean> {
  const owner = await readJson(jobFolder(job).owner, TrainerOwner);
  if (owner === undefined) return false;
  // Slurm starts ranks here for a supervisor on another host, whose state is unknown here.
  return !(await isOnThisHost(owner)) || (await isAlive(owner));
}

const resolvePath = (path: string): Promise<string | undefined> =>
  ignoreStorageErrors(ignoreMissing(realpath(path)), undefined);

/** Reads EVERSWIN_JOB from the environment of a process; undefined if another user owns the process. */
async function readJobVariable(pid: number): Promise<string | undefined> {
  const environment = await readProcFile(pid, 'environ');
  const prefix = 'EVERSWIN_JOB=';
  return environment
    .split('\0')
    .find((pair) => pair.startsWith(prefix))
    ?.slice(prefix.length);
}
