import type { FileHash } from '../shared/download/recorded-hash.ts';

/** A file on its way into the store. */
export interface ImportedFile extends FileHash {
  readonly path: string;
}

/** How a source looks at one moment. */
export interface SourceSnapshot {
  /** Another one when anything in it was changed; nothing is read for it. */
  readonly signature: string;
  /** How much has to come, and how much of the disk it will take. */
  readonly measure: () => Promise<TransferSize>;
  /** Brings what was seen. What changes meanwhile may come in part: whoever takes looks again afterwards. */
  readonly importFile: () => Promise<ImportedFile>;
}

export interface TransferSize {
  readonly downloadBytes: number;
  readonly diskBytes: number;
}

/** Files of the user's own, which may change: they are what they are when they are taken. */
export interface MutableSource {
  readonly url: string;
  readonly displayName: string;
  readonly isFolder: boolean;
  /** @throws CodedError DownloadRefused where it is not there or cannot be read, DatasetInvalid for what cannot become a folder. */
  readonly inspect: () => Promise<SourceSnapshot>;
}
