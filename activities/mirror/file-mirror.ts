import { mirrorKeys } from '../../configs/schema/run-pointer.ts';
import type { RunFolder } from '../../configs/paths.ts';
import { systemErrorCode } from '../shared/errors/coded-error.ts';
import { sha256OfFile } from '../shared/files/atomic-file.ts';
import type { ArtifactStore, TransferOptions } from '../shared/store/artifact-store.ts';
import { listMirroredFiles, type MirroredFile } from './mirrored-files.ts';

/** Growing files are sent with each checkpoint, and otherwise at this interval. */
const growingFileIntervalMs = 60_000;

/** Uploads the small files of a run when they change. */
export class FileMirror {
  readonly #store: ArtifactStore;
  readonly #folder: RunFolder;
  readonly #runId: string;
  /** Versions that the store holds, by path. */
  readonly #sent = new Map<string, { version: string; at: number }>();

  constructor(store: ArtifactStore, folder: RunFolder, runId: string) {
    this.#store = store;
    this.#folder = folder;
    this.#runId = runId;
  }

  /** @param all whether to include growing files that were sent recently. */
  async send(all: boolean, transfer: TransferOptions): Promise<void> {
    for (const file of await listMirroredFiles(this.#folder)) {
      const sent = this.#sent.get(file.path);
      const isDue = all || !file.grows || performance.now() - (sent?.at ?? -Infinity) >= growingFileIntervalMs;
      if (!isDue || sent?.version === versionOf(file)) continue;
      if (await this.#sendOne(file, sent === undefined, transfer)) {
        this.#sent.set(file.path, { version: versionOf(file), at: performance.now() });
      }
    }
  }

  /** @returns false if the file no longer exists. */
  async #sendOne({ path, bytes }: MirroredFile, isFirst: boolean, transfer: TransferOptions): Promise<boolean> {
    const [key, source] = [mirrorKeys(this.#runId).file(path), `${this.#folder.root}/${path}`];
    try {
      // After a restart of the worker, the store may already hold this version.
      const known = isFirst ? await this.#store.head(key, transfer.signal) : undefined;
      if (known?.bytes === bytes && known.sha256 === (await sha256OfFile(source))) return true;
      await this.#store.put(key, source, transfer);
      return true;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }
}

const versionOf = ({ bytes, mtimeMs }: MirroredFile): string => `${bytes} ${mtimeMs}`;
