import { constants } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { CheckpointManifest, type TrainerEvent } from '../../configs/schema/index.ts';
import { mirrorKeys, type MirroredCheckpoint } from '../../configs/schema/run-pointer.ts';
import { readRunPointer } from '../mirror/run-pointer-writer.ts';
import { CodedError, systemErrorCode } from '../shared/errors/coded-error.ts';
import type { Checkpoint } from '../shared/files/checkpoint-files.ts';
import { findDamage } from '../shared/run/checkpoint-damage.ts';
import { listCompleteCheckpoints } from '../shared/run/checkpoints.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { readJson } from '../shared/files/json-file.ts';
import type { Stretch } from './lineage-legs.ts';
import { listCompleteEpochs, NotVerifiable, requireEpoch, type RecordedRun } from './recorded-run.ts';

interface StartSearch {
  /** Opens the store with copies of the checkpoints. @returns undefined if the run copies none. */
  openStore: () => ArtifactStore | undefined;
  epoch: number;
  /** Last iteration at which the repetition may begin. */
  at: number;
  /** First iteration at which it may begin. */
  earliest: number;
  /** Folder that receives the checkpoint. */
  into: string;
  signal: AbortSignal;
}

interface StartingPoint {
  /** Undefined for the starting weights. */
  checkpoint: Checkpoint | undefined;
  /** Newer checkpoints that were not used, with the reason. */
  notes: string[];
}

/** Checkpoint of the preserved lineage, on this disk or in the artifact store. */
interface Candidate {
  manifest: MirroredCheckpoint;
  /** Copies the checkpoint and its manifest into a folder. @returns undefined if it was deleted in the meantime. */
  copyInto: (into: string) => Promise<Checkpoint | undefined>;
}

/**
 * Finds the newest intact checkpoint before a stretch, and copies it: a run that trains may delete its own.
 * @throws NotVerifiable, with the epochs that can be verified, if there is none that is new enough.
 */
export async function findStart(run: RecordedRun, search: StartSearch): Promise<StartingPoint> {
  const { at, earliest, into } = search;
  if (at === 0) return { checkpoint: undefined, notes: [] };
  const defects = new Map<Candidate, string>();
  const candidates: Candidate[] = [];
  // The store is only asked if this disk has no such checkpoint: it may be far away, or not answer.
  for (const list of [listLocal, listStored]) {
    const found = sortPreserved(run, await list(run, search));
    candidates.push(...found);
    for (const candidate of found) {
      const { file, iteration } = candidate.manifest;
      if (iteration > at || iteration < earliest) continue;
      const checkpoint = await candidate.copyInto(into);
      const defect = checkpoint === undefined ? 'it was deleted' : await findDefect(checkpoint, run.events);
      const notes = [...defects.values()];
      if (checkpoint !== undefined && defect === undefined) return { checkpoint, notes };
      defects.set(candidate, `Checkpoint ${file} was not used: ${defect}.`);
    }
  }
  if (earliest <= 0) return { checkpoint: undefined, notes: [...defects.values()] };
  const usable = candidates.filter((candidate) => !defects.has(candidate)).map(({ manifest }) => manifest.iteration);
  throw new NotVerifiable(
    [
      `${run.runId} has no usable checkpoint from just before epoch ${search.epoch}: everswin keeps only the newest, the best and the milestones.`,
      ...defects.values(),
      `Epochs that can be verified: ${listVerifiable(run, [0, ...usable]).join(', ')}.`,
      'To train more than one epoch again for it, add --from-earlier.',
    ].join('\n'),
  );
}

/** Lists the epochs for which less than one epoch must be trained in addition. */
const listVerifiable = (run: RecordedRun, starts: readonly number[]): number[] =>
  listCompleteEpochs(run).filter((epoch) => {
    const { from, to } = requireEpoch(run, epoch);
    return starts.some((start) => start <= from && start >= earliestStart({ from, to }));
  });

/** Returns the first iteration from which an epoch is reached with less than one epoch in addition. */
export const earliestStart = ({ from, to }: Stretch): number => from - (to - from) + 1;

/** Returns the checkpoints of the preserved lineage, newest first. */
const sortPreserved = ({ events }: RecordedRun, candidates: readonly Candidate[]): Candidate[] =>
  candidates
    .filter(({ manifest }) => isPreserved(events, manifest))
    .sort((a, b) => b.manifest.iteration - a.manifest.iteration);

const listLocal = async (run: RecordedRun): Promise<Candidate[]> =>
  (await listCompleteCheckpoints(run.folder.train)).map((manifest) => fromDisk(run, manifest));

/** Finds a reason not to trust a checkpoint: damage, or another hash than the one that the run recorded for it. */
async function findDefect(
  { path, manifest }: Checkpoint,
  events: readonly TrainerEvent[],
): Promise<string | undefined> {
  const hashes = events.flatMap((event) =>
    event.type === 'checkpoint' && event.file === manifest.file ? [event.sha256] : [],
  );
  if (hashes.length > 0 && !hashes.includes(manifest.sha256))
    return `its manifest records sha256 ${manifest.sha256}, which the run never saved under this name`;
  return findDamage(path, manifest);
}

/** Returns whether no later trainer started before this checkpoint and so discarded it. */
const isPreserved = (events: readonly TrainerEvent[], { fence, iteration }: MirroredCheckpoint): boolean =>
  !events.some((event) => event.type === 'started' && event.fence > fence && event.iteration < iteration);

const manifestName = (file: string): string => file.replace(/\.pth$/, '.json');

const fromDisk = ({ folder }: RecordedRun, manifest: CheckpointManifest): Candidate => ({
  manifest,
  copyInto: async (into) => {
    const path = `${into}/${manifest.file}`;
    try {
      for (const name of [manifest.file, manifestName(manifest.file)])
        await copyFile(`${folder.train.checkpoints}/${name}`, `${into}/${name}`, constants.COPYFILE_FICLONE);
      return { path, manifest };
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  },
});

async function listStored({ runId }: RecordedRun, { openStore, signal }: StartSearch): Promise<Candidate[]> {
  const store = openStore();
  if (store === undefined) return [];
  const keys = mirrorKeys(runId);
  const found = await readRunPointer(store, runId, signal);
  return (found?.pointer.checkpoints ?? []).map((stored) => ({
    manifest: stored,
    copyInto: async (into) => {
      const [path, manifestPath] = [`${into}/${stored.file}`, `${into}/${manifestName(stored.file)}`];
      try {
        await store.get(keys.checkpoint(stored), path, { signal, sha256: stored.sha256 });
        await store.get(keys.manifest(stored), manifestPath, { signal });
      } catch (error) {
        if (error instanceof CodedError && error.code === 'StoreDamaged') return undefined;
        throw error;
      }
      const manifest = await readJson(manifestPath, CheckpointManifest);
      return manifest && { path, manifest };
    },
  }));
}
