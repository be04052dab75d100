import type { Readable } from 'node:stream';
import type { FileVersion } from './file-version.ts';

/** Range of bytes to request. */
export interface RangeRequest {
  readonly first: number;
  /** Last byte to request; null for the rest of the file. */
  readonly last: number | null;
  /** Requests the complete file without a range; `first` is 0 then. */
  readonly withoutRange: boolean;
  /** Expected version, for conditional requests. */
  readonly known: FileVersion | null;
  readonly signal: AbortSignal;
}

/** Metadata of a response and its unread body. */
export interface SourceResponse {
  /** False when the source sends the complete file. */
  readonly ranged: boolean;
  readonly first: number;
  /** Last byte that the source announces; null when it is unknown. */
  readonly last: number | null;
  readonly version: FileVersion;
  readonly body: Readable;
}

/** A source of a file, independent of its protocol. */
export interface Source {
  /** Redacted URL for messages. */
  readonly displayUrl: string;
  /**
   * Opens a range of the file.
   * @throws TransientError, RangesUnusable, VersionChanged, or CodedError DownloadRefused.
   */
  readonly open: (request: RangeRequest) => Promise<SourceResponse>;
  /** Verifies that the file did not change while its body was read. Only local files need it. */
  readonly verifyUnchanged: (response: SourceResponse) => Promise<void>;
  readonly close: () => void;
}
