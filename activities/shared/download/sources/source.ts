import type { Readable } from 'node:stream';
import type { FileVersion } from './file-version.ts';

/** Which bytes are asked for. */
export interface RangeRequest {
  readonly first: number;
  /** The last byte wanted; null for all the rest. */
  readonly last: number | null;
  /** Ask for no range at all; `first` is 0 then. */
  readonly whole: boolean;
  /** Only if the file is still this version. */
  readonly known: FileVersion | null;
  readonly signal: AbortSignal;
}

/** The beginning of a body. */
export interface SourceResponse {
  /** False when the source sends the whole file, whatever was asked for. */
  readonly ranged: boolean;
  readonly first: number;
  /** The last byte that the source announces; null when it does not say. */
  readonly last: number | null;
  readonly version: FileVersion;
  readonly body: Readable;
}

/** One place that a file can be had from, seen the same way whatever its protocol. */
export interface Source {
  /** For messages. */
  readonly displayUrl: string;
  /** @throws PassingFault, RangesUnusable, VersionChanged, or CodedError DownloadRefused. */
  readonly open: (request: RangeRequest) => Promise<SourceResponse>;
  /** Has the file changed behind a body that was read to its end? Only for sources whose answers can't tell. */
  readonly verifyUnchanged: (answer: SourceResponse) => Promise<void>;
  readonly close: () => void;
}
