import type { RunFolder } from '../../configs/paths.ts';
import type { Rollback } from '../../configs/schema/index.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';

export interface RestoreRequest {
  store: ArtifactStore;
  folder: RunFolder;
  runId: string;
  /** Latest rollback of the run. Checkpoints that it discarded are not restored. */
  rollback: Rollback | null;
  signal: AbortSignal;
  onProgress: (progress: RestoreProgress) => void;
}

interface RestoreProgress {
  /** Path relative to the run's folder. */
  file: string;
  /** Bytes of this file so far. */
  bytes: number;
}

/** Downloads one file of the run to its path relative to the run's folder. */
export async function restoreFile(
  { store, folder, signal, onProgress }: RestoreRequest,
  key: string,
  path: string,
  sha256?: string,
): Promise<void> {
  let bytes = 0;
  const onBytes = (more: number) => onProgress({ file: path, bytes: (bytes += more) });
  await store.get(key, `${folder.root}/${path}`, { signal, onBytes, ...(sha256 === undefined ? {} : { sha256 }) });
}
