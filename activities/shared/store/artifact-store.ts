/** Where finished things are kept, under keys such as `runs/<runId>/report/index.html`: a folder, or a bucket. */
export interface ArtifactStore {
  /** `file:///...` or `s3://bucket/prefix`. */
  readonly address: string;
  /**
   * Stores a file under a key, whole or not at all, with its sha256. A put that was killed goes on where it stood.
   * @throws CodedError StoreDamaged when the file does not have the sha256 that `options` names: nothing is stored then.
   */
  put(key: string, path: string, options?: PutOptions): Promise<StoredFile>;
  /**
   * Writes an object to a file, whole or not at all; its folder is made.
   * @throws CodedError StoreDamaged when there is no such object, or not with the bytes and sha256 that were recorded.
   */
  get(key: string, path: string, options?: TransferOptions): Promise<StoredFile>;
  /** What was recorded when the object was put; undefined where there is none. */
  head(key: string, signal?: AbortSignal): Promise<ObjectFacts | undefined>;
  /** Objects whose keys begin with `prefix`, in the order of their keys. */
  list(prefix: string, signal?: AbortSignal): Promise<ListedObject[]>;
  /** Keys that do not exist are no error. */
  remove(keys: readonly string[], signal?: AbortSignal): Promise<void>;
  /** Reads a pointer: a small text that is only ever replaced conditionally. */
  read(key: string, signal?: AbortSignal): Promise<Pointer | undefined>;
  /**
   * Replaces a pointer if it still is what `ifMatch` says; null: if there is none yet. An answer that got lost is survived.
   * @returns the etag of the new one.
   * @throws CodedError StoreConflict when somebody else was first.
   */
  replace(key: string, body: string, condition: { ifMatch: string | null; signal?: AbortSignal }): Promise<string>;
  /** An address under which anybody may fetch the object for so long; not to be kept in logs or in Temporal's history. */
  link(key: string, validSeconds: number): Promise<string>;
  /** Gives up uploads under `prefix` that were begun so long ago and never finished. @returns how many. */
  abortStaleUploads(prefix: string, olderThanMs: number, signal?: AbortSignal): Promise<number>;
}

export interface ObjectFacts {
  readonly bytes: number;
  /** Null for an object that everswin did not put. */
  readonly sha256: string | null;
}

export interface StoredFile {
  readonly uri: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface ListedObject {
  readonly key: string;
  readonly bytes: number;
}

export interface Pointer {
  readonly body: string;
  readonly etag: string;
}

export interface TransferOptions {
  /** What the file must hold, where that is known beforehand. */
  readonly sha256?: string;
  readonly signal?: AbortSignal;
  /** Called with the bytes that went over since the last call. */
  readonly onBytes?: (bytes: number) => void;
}

export type PutOptions = TransferOptions;

/** Opens the store at `local`, or at an address such as `s3://bucket/prefix`. */
export type OpenStore = (address: string) => ArtifactStore;
