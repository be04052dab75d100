import { hostname } from 'node:os';
import { mirrorKeys, RunPointer, type MirroredCheckpoint } from '../../configs/schema/run-pointer.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';

interface StoredPointer {
  pointer: RunPointer;
  etag: string;
}

/** Reads the pointer of a run; undefined if there is none. @throws CodedError StoreDamaged when it does not parse. */
export async function readRunPointer(
  store: ArtifactStore,
  runId: string,
  signal?: AbortSignal,
): Promise<StoredPointer | undefined> {
  const key = mirrorKeys(runId).pointer;
  const found = await store.read(key, signal);
  if (found === undefined) return undefined;
  try {
    return { pointer: RunPointer.parse(JSON.parse(found.body)), etag: found.etag };
  } catch (error) {
    throw new CodedError('StoreDamaged', `${store.address}/${key} does not parse as a run pointer.`, { cause: error });
  }
}

/**
 * Returns whether an attempt of another host holds the run. Two hosts may acquire the same fence, each in its own copy of
 * the run; the first one to write the pointer wins.
 */
export const isSuperseded = (pointer: Pick<RunPointer, 'fence' | 'host'>, fence: number): boolean =>
  pointer.fence >= fence && pointer.host !== hostname();

/** Writes the pointer of a run for one attempt, until an attempt with a higher fence takes the pointer over. */
export class RunPointerWriter {
  readonly #store: ArtifactStore;
  readonly #runId: string;
  readonly fence: number;
  readonly #signal: AbortSignal;
  #known: StoredPointer | undefined;

  constructor({
    store,
    runId,
    fence,
    signal,
  }: {
    store: ArtifactStore;
    runId: string;
    fence: number;
    signal: AbortSignal;
  }) {
    this.#store = store;
    this.#runId = runId;
    this.fence = fence;
    this.#signal = signal;
  }

  /** Checkpoints that the pointer names; empty before `claim`. */
  get checkpoints(): readonly MirroredCheckpoint[] {
    return this.#known?.pointer.checkpoints ?? [];
  }

  /** Whether an attempt of another host holds the run, as this writer last read it. */
  get isSuperseded(): boolean {
    return this.#known !== undefined && isSuperseded(this.#known.pointer, this.fence);
  }

  /**
   * Claims the run for this attempt. Call it before uploading or removing anything.
   * @throws CodedError StaleAttempt
   */
  async claim(): Promise<void> {
    this.#known = await readRunPointer(this.#store, this.#runId, this.#signal);
    if (!this.#isOurs()) await this.replace([...this.checkpoints]);
  }

  /** @throws CodedError StaleAttempt */
  async replace(checkpoints: MirroredCheckpoint[]): Promise<void> {
    for (;;) {
      this.#assertNotStale();
      const next: RunPointer = {
        v: 1,
        fence: this.fence,
        host: hostname(),
        checkpoints,
        updatedAt: Date.now() / 1000,
      };
      const ifMatch = this.#known?.etag ?? null;
      try {
        const key = mirrorKeys(this.#runId).pointer;
        const etag = await this.#store.replace(key, JSON.stringify(next), { ifMatch, signal: this.#signal });
        this.#known = { pointer: next, etag };
        return;
      } catch (error) {
        if (!(error instanceof CodedError) || error.code !== 'StoreConflict') throw error;
        this.#known = await readRunPointer(this.#store, this.#runId, this.#signal);
      }
    }
  }

  #isOurs(): boolean {
    const { fence, host } = this.#known?.pointer ?? {};
    return fence === this.fence && host === hostname();
  }

  #assertNotStale(): void {
    const pointer = this.#known?.pointer;
    if (pointer === undefined || !(pointer.fence > this.fence || this.isSuperseded)) return;
    const theirs = `fence ${pointer.fence} on ${pointer.host}`;
    throw new CodedError('StaleAttempt', `The attempt with fence ${this.fence} is superseded by ${theirs}.`);
  }
}
