import { runFolder, type RunFolder } from '../../configs/paths.ts';
import { RunPlan, type TrainerEvent } from '../../configs/schema/index.ts';
import { readJson } from '../shared/files/json-file.ts';
import { filterLineage } from '../shared/run/lineage.ts';
import { RunRecord, toNullable } from '../shared/run/run-record.ts';
import { formatPlural } from '../shared/summary/format-time.ts';
import type { EpochEvent } from './compare-stretch.ts';
import { findEpoch, listTrainers, type StartedEvent, type Stretch } from './lineage-legs.ts';

/** What a run left on this disk. */
export interface RecordedRun {
  runId: string;
  folder: RunFolder;
  plan: RunPlan;
  /** Events of all trainers; of consecutive steps only the last. */
  events: readonly TrainerEvent[];
  /** Hashes of the epochs of the preserved lineage. */
  epochs: readonly EpochEvent[];
  /** Losses of the steps of the preserved lineage, by iteration. */
  losses: ReadonlyMap<number, number | null>;
  /** Trainers of the preserved lineage. */
  trainers: readonly StartedEvent[];
}

/** A request that this run cannot fulfill. The message says what it can. */
export class NotVerifiable extends Error {}

/** @throws NotVerifiable if the run has not trained on this machine. */
export async function readRecordedRun(home: string, runId: string): Promise<RecordedRun> {
  const folder = runFolder(home, runId);
  const plan = await readJson(folder.plan, RunPlan);
  const { events, steps } = await RunRecord.read(folder.train.progress);
  const trainers = listTrainers(events);
  if (plan === undefined || trainers.length === 0)
    throw new NotVerifiable(`${runId} has not trained on this machine. Verify it where its run folder is.`);
  const epochs = filterLineage(events).filter((event) => event.type === 'epoch');
  const losses = new Map(steps.iteration.map((step, index) => [step, toNullable(steps.loss[index])]));
  return { runId, folder, plan, events, epochs, losses, trainers };
}

/** Returns the iterations of a complete epoch. @throws NotVerifiable */
export function requireEpoch(run: RecordedRun, epoch: number): Stretch {
  const complete = listCompleteEpochs(run);
  const found = findEpoch(run.trainers, epoch);
  if (found !== undefined && complete.includes(epoch)) return found;
  const trained = complete.length === 0 ? 'no epoch yet' : formatPlural(complete.length, 'epoch');
  throw new NotVerifiable(`${run.runId} has completed ${trained}; epoch ${epoch} is not one of them.`);
}

/** Lists the epochs that are complete: the newest step is their last one, or a later one. */
export function listCompleteEpochs({ trainers, losses }: RecordedRun): number[] {
  const newest = [...losses.keys()].at(-1) ?? 0;
  const complete: number[] = [];
  for (let epoch = 1; ; epoch += 1) {
    const found = findEpoch(trainers, epoch);
    if (found === undefined || found.to > newest) return complete;
    complete.push(epoch);
  }
}
