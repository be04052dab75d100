import { setTimeout as sleep } from 'node:timers/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import { TrainerExit, TrainerOwner } from '../../../configs/schema/index.ts';
import { readJson } from '../files/json-file.ts';
import { isAlive, signalProcess } from './process-identity.ts';

/** The trainer's Python interpreter and its complete environment; the worker's environment is not inherited. */
export interface PythonCommand {
  executable: string;
  env: Record<string, string>;
}

/** Running supervisor, which this attempt started or adopted. */
export interface RunningJob {
  owner: TrainerOwner;
  adopted: boolean;
}

/** Outcome of a job: the exit.json of its supervisor, or the supervisor that was killed before it wrote one. */
export type JobOutcome = { exit: TrainerExit } | { supervisorLost: TrainerOwner };

/** Finds the job that runs in this folder; undefined if there is none. */
export async function findLiveJob(job: JobFolder): Promise<RunningJob | undefined> {
  const owner = await readJson(job.owner, TrainerOwner);
  if (owner === undefined || !(await isAlive(owner))) return undefined;
  if (!(await hasWrittenExit(job, owner))) return { owner, adopted: true };
  // The supervisor wrote exit.json and is about to exit. Adopting it would report the old outcome as new, and a new
  // supervisor could not lock the job yet.
  while (await isAlive(owner)) await sleep(10);
  return undefined;
}

const hasWrittenExit = async (job: JobFolder, owner: TrainerOwner): Promise<boolean> =>
  (await readJson(job.exit, TrainerExit))?.fence === owner.fence;

/** Reads the outcome of a job; undefined while it runs. */
export async function readOutcome(job: JobFolder, owner: TrainerOwner): Promise<JobOutcome | undefined> {
  const alive = await isAlive(owner); // before reading exit.json, which the supervisor writes before it exits
  const exit = await readJson(job.exit, TrainerExit);
  if (exit?.fence === owner.fence) return { exit };
  return alive ? undefined : { supervisorLost: owner };
}

/** Asks the supervisor to save and stop. It kills the program itself after the grace period. */
export const requestStop = (owner: TrainerOwner): Promise<void> => signalProcess(owner, 'SIGTERM');

/** Asks the job that runs in this folder, if any, to save and stop, and waits until its supervisor has exited. */
export async function stopJob(job: JobFolder): Promise<void> {
  const live = await findLiveJob(job);
  if (live === undefined) return;
  await requestStop(live.owner);
  while (await isAlive(live.owner)) await sleep(100);
}
