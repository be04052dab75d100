import { readdir } from 'node:fs/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import type { Quarantined, Rollback, RunPlan, TrainerEvent } from '../../../configs/schema/index.ts';
import { CodedError } from '../errors/coded-error.ts';
import { listManifests, listUnrecorded } from '../files/checkpoint-files.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { iterationOf } from '../summary/checkpoint-name.ts';
import { readWithoutSteps } from './progress-reader.ts';

/** Steps were saved, but no checkpoint is usable any more. Training must not start from iteration 0 unasked. */
export class CheckpointsLostError extends CodedError {
  readonly quarantined: Quarantined[];

  constructor(message: string, quarantined: Quarantined[]) {
    super('CheckpointsLost', message);
    this.quarantined = quarantined;
  }
}

interface RunRecords {
  job: JobFolder;
  plan: RunPlan;
  /** With `startOver`, it gives up all that was saved up to its fence. */
  rollback: Rollback | null;
  /** Newest iteration that the workflow knows to be saved; the records on disk may be lost too. */
  savedIteration: number | null;
  quarantined: Quarantined[];
}

interface SavedCheckpoint {
  file: string;
  iteration: number;
  /** Fence under which it was saved; 0 if unknown. */
  fence: number;
}

/**
 * Checks that a training without a usable checkpoint saved none before.
 * @throws CheckpointsLostError with what was saved and why it is not usable.
 */
export async function requireNothingSaved(records: RunRecords): Promise<void> {
  const { job, plan, quarantined, savedIteration } = records;
  const saved =
    (await findNewestSaved(records)) ?? (savedIteration === null ? undefined : `iteration ${savedIteration}`);
  if (saved === undefined) return;
  const copy =
    plan.input.artifacts.store === 'local'
      ? '`artifacts.store` is local, so there is no other copy'
      : 'the artifact store holds no intact copy';
  const [newest] = quarantined.toSorted((a, b) => b.file.localeCompare(a.file));
  const damage = newest === undefined ? '' : ` (${newest.file}: ${newest.why})`;
  throw new CheckpointsLostError(
    `${saved} was saved, but ${job.checkpoints} has no usable checkpoint; ${copy}${damage}.`,
    quarantined,
  );
}

/** Returns the file name of the newest checkpoint that the run folder records and that no start-over gave up. */
async function findNewestSaved({ job, rollback }: RunRecords): Promise<string | undefined> {
  const events = await readWithoutSteps(job.progress);
  const { saved, startedOverAt } = readSaved(events);
  const givenUp = rollback?.startOver === true ? rollback.fence : -1;
  // With its events, a file without a manifest is one that a crash left before it counted as saved.
  const unrecorded = events.some(({ type }) => type === 'started') ? [] : await listUnrecorded(job.checkpoints);
  const [newest] = [...saved, ...(await listQuarantined(job)), ...unrecorded.flatMap(asSaved)]
    .filter(({ iteration, fence }) => iteration > 0 && fence > givenUp && fence >= startedOverAt)
    .sort((a, b) => b.iteration - a.iteration);
  return newest?.file;
}

/** Reads which checkpoints were saved since a trainer last started from iteration 0, and its fence. */
function readSaved(events: readonly TrainerEvent[]): { saved: SavedCheckpoint[]; startedOverAt: number } {
  let saved: SavedCheckpoint[] = [];
  let [fence, startedOverAt] = [0, 0];
  for (const event of events) {
    if (event.type === 'started') {
      ({ fence } = event);
      if (event.resumedFrom !== null) continue;
      [saved, startedOverAt] = [[], fence];
    } else if (event.type === 'checkpoint') {
      saved.push({ file: event.file, iteration: event.iteration, fence });
    }
  }
  return { saved, startedOverAt };
}

async function listQuarantined({ quarantine }: JobFolder): Promise<SavedCheckpoint[]> {
  const fences = new Map((await listManifests(quarantine)).map(({ name, manifest }) => [name, manifest?.fence]));
  const names = (await ignoreMissing(readdir(quarantine))) ?? [];
  return [...new Set(names.map((name) => name.split('.', 1)[0] ?? ''))].flatMap((name) =>
    asSaved(name).map((checkpoint) => ({ ...checkpoint, fence: fences.get(name) ?? 0 })),
  );
}

/** Returns the checkpoint of this name, without suffix; nothing if it is the name of another file. */
function asSaved(name: string): SavedCheckpoint[] {
  const iteration = iterationOf(name);
  return iteration === undefined ? [] : [{ file: `${name}.pth`, iteration, fence: 0 }];
}
