/** Storage of finished artifacts in a folder or bucket, under keys such as `runs/<runId>/report/index.html`. */
export interface ArtifactStore {
  /** `file:///...` or `s3://bucket/prefix`. */
  readonly address: string;
  /**
   * Stores a file atomically under a key, with its sha256. Resumes an upload that was killed.
   * @throws CodedError StoreDamaged, and stores nothing, when the file does not have the sha256 of `options`.
   */
  put(key: string, path: string, options?: PutOptions): Promise<StoredFile>;
  /**
   * Writes an object to a file atomically, and creates the folder of the file.
   * @throws CodedError StoreDamaged when the object is missing, or differs from its recorded size or sha256.
   */
  get(key: string, path: string, options?: TransferOptions): Promise<StoredFile>;
  /** Returns the recorded facts of an object; undefined when it does not exist. */
  head(key: string, signal?: AbortSignal): Promise<ObjectFacts | undefined>;
  /** Lists the objects whose keys begin with `prefix`, sorted by key. */
  list(prefix: string, signal?: AbortSignal): Promise<ListedObject[]>;
  /** Deletes objects. Ignores keys that do not exist. */
  remove(keys: readonly string[], signal?: AbortSignal): Promise<void>;
  /** Reads a pointer: a small text that changes only by compare-and-swap. */
  read(key: string, signal?: AbortSignal): Promise<Pointer | undefined>;
  /**
   * Replaces a pointer if its etag is still `ifMatch`; null means that it must not exist yet. Tolerates a lost response.
   * @returns the new etag.
   * @throws CodedError StoreConflict when another writer was first.
   */
  replace(key: string, body: string, condition: { ifMatch: string | null; signal?: AbortSignal }): Promise<string>;
  /** Creates a URL that grants anyone access to the object for the given time. Keep it out of logs and history. */
  link(key: string, validSeconds: number): Promise<string>;
  /** Aborts unfinished uploads under `prefix` that are older than `olderThanMs`. Returns their number. */
  abortStaleUploads(prefix: string, olderThanMs: number, signal?: AbortSignal): Promise<number>;
}

export interface ObjectFacts {
  readonly bytes: number;
  /** Null for an object that everswin did not store. */
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
  /** Expected sha256, if known. */
  readonly sha256?: string;
  readonly signal?: AbortSignal;
  /** Receives the number of bytes transferred since the last call. */
  readonly onBytes?: (bytes: number) => void;
}

export type PutOptions = TransferOptions;

/** Opens the store at a URL such as `file:///folder` or `s3://bucket/prefix`. */
export type OpenStore = (address: string) => ArtifactStore;
