import type { FileHash } from '../shared/download/recorded-hash.ts';

/** A file that is about to be added to the store. */
export interface ImportedFile extends FileHash {
  readonly path: string;
}

/** State of a source at one moment. */
interface SourceSnapshot {
  /** Changes whenever a file of the source changes; computed from metadata alone. */
  readonly signature: string;
  /** Determines how many bytes must be downloaded and stored. */
  readonly measure: () => Promise<TransferSize>;
  /** Imports the source. The caller must inspect it again afterwards, because it may change during the import. */
  readonly importFile: () => Promise<ImportedFile>;
}

export interface TransferSize {
  readonly downloadBytes: number;
  readonly diskBytes: number;
}

/** A file or folder of the user that may change. A run uses its content at the time of the import. */
export interface MutableSource {
  readonly url: string;
  readonly displayName: string;
  readonly isFolder: boolean;
  /**
   * Reads the current state of the source.
   * @throws CodedError DownloadRefused when it is missing or unreadable, DatasetInvalid when its keys cannot form a folder.
   */
  readonly inspect: () => Promise<SourceSnapshot>;
}
