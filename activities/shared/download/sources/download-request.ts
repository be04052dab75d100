import type { S3Client } from '@aws-sdk/client-s3';
import type { DownloadLimits } from './download-limits.ts';
import type { SourcePolicy } from './source-policy.ts';

export interface DownloadProgress {
  readonly bytes: number;
  readonly totalBytes: number | null;
  /** Over the last seconds, without what an earlier call had fetched. */
  readonly bytesPerSecond: number;
  readonly etaSeconds: number | null;
  /** Without query and credentials; null before the first source is asked. */
  readonly source: string | null;
  /** Why it was tried again, or left for another mirror, the last time. */
  readonly note: string | null;
}

/** For faults that pass by themselves. */
export interface RetryPolicy {
  /** Faults in a row without a new byte until the next mirror has its turn. */
  readonly maxAttempts: number;
  /** The first wait; each further one is twice as long, shortened by chance so that clients do not come back at once. */
  readonly initialDelayMs: number;
}

export const defaultRetry: RetryPolicy = { maxAttempts: 4, initialDelayMs: 500 };

export interface FetchOptions {
  /** Null where nobody publishes it. */
  readonly bytes: number | null;
  readonly sha256: string | null;
  /** A connection that brings no byte for so long is given up. */
  readonly stallMs: number;
  readonly retry: RetryPolicy;
  readonly limits: DownloadLimits;
  readonly policy: SourcePolicy;
  readonly s3: () => S3Client;
  readonly signal: AbortSignal;
}

export interface DownloadRequest extends FetchOptions {
  /** Mirrors of one file: first the one that an unfinished part came from, then in this order. */
  readonly urls: readonly string[];
  readonly target: string;
  /** Called several times a second as long as the download goes on, also while bytes on the disk are hashed. */
  readonly onProgress: (progress: DownloadProgress) => void;
}

export interface DownloadResult {
  readonly bytes: number;
  readonly sha256: string;
  readonly reused: boolean;
  /** How many of the bytes an earlier, unfinished call had fetched. */
  readonly resumedFromBytes: number;
  /** The mirror that ended it, without query and credentials; null when nothing had to be fetched. */
  readonly url: string | null;
  /** Each try again and each change of mirror, with its reason. */
  readonly notes: readonly string[];
}
