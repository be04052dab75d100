import type { RunFolder } from '../../configs/paths.ts';
import { mirrorKeys } from '../../configs/schema/run-pointer.ts';
import type { CheckpointManifest, TrainerEvent } from '../../configs/schema/index.ts';
import { checkpointPath } from '../shared/files/checkpoint-files.ts';
import { listCompleteCheckpoints } from '../shared/run/checkpoints.ts';
import { CodedError, systemErrorCode } from '../shared/errors/coded-error.ts';
import { sortByRecency } from '../shared/run/usable-checkpoints.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { isSameCheckpoint, planMirror, toMirrored, type MirrorPlan } from './mirror-plan.ts';
import type { RunPointerWriter } from './run-pointer-writer.ts';

/** Lag of the store behind this host. */
export interface CheckpointLag {
  backlog: number;
  newest: { file: string; iteration: number; at: number } | null;
  /** Creation time of the oldest checkpoint that is newer than all in the store, Unix seconds. */
  behindSince: number | null;
}

interface Transfer {
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number) => void;
}

/** Uploads the checkpoints of a run, and deletes copies of those that this host no longer keeps. */
export class CheckpointMirror {
  readonly #store: ArtifactStore;
  readonly #folder: RunFolder;
  readonly #keys: ReturnType<typeof mirrorKeys>;
  readonly #run: RunPointerWriter;
  /** Hashes of damaged checkpoints, which are not hashed again. */
  readonly #damaged = new Set<string>();
  #isPruned = false;

  constructor(store: ArtifactStore, folder: RunFolder, runId: string, run: RunPointerWriter) {
    this.#store = store;
    this.#folder = folder;
    this.#keys = mirrorKeys(runId);
    this.#run = run;
  }

  async plan(events: readonly TrainerEvent[]): Promise<MirrorPlan & CheckpointLag> {
    const local = (await listCompleteCheckpoints(this.#folder.train)).filter(
      ({ sha256 }) => !this.#damaged.has(sha256),
    );
    const remote = this.#run.checkpoints;
    const plan = planMirror(local, remote, events);
    const sorted = sortByRecency(local);
    const firstRemote = sorted.findIndex((one) => remote.some((other) => isSameCheckpoint(one, other)));
    const newest = sorted[firstRemote];
    const oldestMissing = firstRemote === -1 ? sorted.at(-1) : sorted[firstRemote - 1];
    return {
      ...plan,
      backlog: plan.queue.length,
      newest: newest === undefined ? null : { file: newest.file, iteration: newest.iteration, at: newest.createdAt },
      behindSince: oldestMissing?.createdAt ?? null,
    };
  }

  /** Uploads the file, then its manifest, then the pointer. @throws CodedError StaleAttempt and those of the store. */
  async send(manifest: CheckpointManifest, transfer: Transfer): Promise<void> {
    const name = manifest.file.replace(/\.pth$/, '');
    const { sha256 } = manifest;
    try {
      const known = await this.#store.head(this.#keys.checkpoint(manifest), transfer.signal);
      if (known?.sha256 !== sha256 || known.bytes !== manifest.bytes) {
        const path = checkpointPath(this.#folder.train, name);
        await this.#store.put(this.#keys.checkpoint(manifest), path, { ...transfer, sha256 });
      }
      const { signal } = transfer;
      const path = `${this.#folder.train.checkpoints}/${name}.json`;
      await this.#store.put(this.#keys.manifest(manifest), path, { signal });
    } catch (error) {
      // Retention deleted the checkpoint, so there is a newer one.
      if (systemErrorCode(error) === 'ENOENT') return;
      if (error instanceof CodedError && error.code === 'StoreDamaged') this.#damaged.add(sha256);
      throw error;
    }
    await this.#run.replace(sortByRecency([toMirrored(manifest), ...this.#run.checkpoints]));
  }

  /** Updates the pointer, then deletes the objects that it no longer names. */
  async prune({ named }: MirrorPlan, signal: AbortSignal): Promise<void> {
    const isUnchanged = named.length === this.#run.checkpoints.length;
    if (isUnchanged && this.#isPruned) return;
    if (!isUnchanged) await this.#run.replace(named);
    const kept = new Set(named.flatMap((one) => [this.#keys.checkpoint(one), this.#keys.manifest(one)]));
    const found = await this.#store.list(this.#keys.checkpoints, signal);
    // Only objects of this and older attempts may be deleted.
    const isOwned = (key: string) => Number(/\/f(\d+)\/[^/]*$/.exec(key)?.[1] ?? 0) <= this.#run.fence;
    await this.#store.remove(
      found.map(({ key }) => key).filter((key) => !kept.has(key) && isOwned(key)),
      signal,
    );
    // No upload of this attempt is in progress now.
    await this.#store.abortStaleUploads(this.#keys.checkpoints, 0, signal);
    this.#isPruned = true;
  }
}
