import { mirrorKeys } from '../../configs/schema/run-pointer.ts';
import type { RunFolder } from '../../configs/paths.ts';
import { systemErrorCode } from '../shared/errors/coded-error.ts';
import { sha256OfFile } from '../shared/files/atomic-file.ts';
import type { ArtifactStore, TransferOptions } from '../shared/store/artifact-store.ts';
import { listMirroredFiles, type MirroredFile } from './mirrored-files.ts';

/** What grows is sent with every checkpoint, and otherwise so often. */
const growingFileIntervalMs = 60_000;

/** Sends the small files of a run whenever they changed. */
export class FileMirror {
  readonly #store: ArtifactStore;
  readonly #folder: RunFolder;
  readonly #runId: string;
  /** Size and time of change of what the store has, by path. */
  readonly #sent = new Map<string, { version: string; at: number }>();

  constructor(store: ArtifactStore, folder: RunFolder, runId: string) {
    this.#store = store;
    this.#folder = folder;
    this.#runId = runId;
  }

  /** @param all also what grows and was sent a short while ago. */
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

  /** False where the file went away meanwhile. */
  async #sendOne({ path, bytes }: MirroredFile, isFirst: boolean, transfer: TransferOptions): Promise<boolean> {
    const [key, source] = [mirrorKeys(this.#runId).file(path), `${this.#folder.root}/${path}`];
    try {
      // A worker that was started again does not send it all again.
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
