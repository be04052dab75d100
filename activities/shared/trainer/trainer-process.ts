import { setTimeout as sleep } from 'node:timers/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import { TrainerExit, TrainerOwner } from '../../../configs/schema/index.ts';
import { readJson } from '../files/json-file.ts';
import { isAlive, signalProcess } from './process-identity.ts';

/** How to start Python: the trainer's interpreter and all of its environment, nothing inherited from the worker. */
export interface PythonCommand {
  executable: string;
  env: Record<string, string>;
}

/** A supervised process tree that is running, started by us or found alive. */
export interface RunningJob {
  owner: TrainerOwner;
  adopted: boolean;
}

/** How a job ended: what its supervisor wrote, or that the supervisor itself was killed and could write nothing. */
export type JobOutcome = { exit: TrainerExit } | { supervisorLost: TrainerOwner };

/** The job that already runs in this folder, if one lives. */
export async function findLiveJob(job: JobFolder): Promise<RunningJob | undefined> {
  const owner = await readJson(job.owner, TrainerOwner);
  if (owner === undefined || !(await isAlive(owner))) return undefined;
  if (!(await hasWrittenExit(job, owner))) return { owner, adopted: true };
  // It wrote exit.json and is about to leave: who adopted it would take the old ending for a new one, who started a
  // trainer beside it would find the lock taken.
  while (await isAlive(owner)) await sleep(10);
  return undefined;
}

const hasWrittenExit = async (job: JobFolder, owner: TrainerOwner): Promise<boolean> =>
  (await readJson(job.exit, TrainerExit))?.fence === owner.fence;

/** Undefined while the job runs. */
export async function readOutcome(job: JobFolder, owner: TrainerOwner): Promise<JobOutcome | undefined> {
  const alive = await isAlive(owner); // asked before exit.json is read: it is written before the supervisor dies
  const exit = await readJson(job.exit, TrainerExit);
  if (exit?.fence === owner.fence) return { exit };
  return alive ? undefined : { supervisorLost: owner };
}

/** Asks the supervisor to let the program save and to stop its whole tree; it ends by force itself when that takes too long. */
export const requestStop = (owner: TrainerOwner): Promise<void> => signalProcess(owner, 'SIGTERM');
