import type { S3Client } from '@aws-sdk/client-s3';
import type { DownloadLimits } from './download-limits.ts';
import type { SourcePolicy } from './source-policy.ts';

export interface DownloadProgress {
  readonly bytes: number;
  readonly totalBytes: number | null;
  /** Rate over the last seconds, excluding bytes of an earlier call. */
  readonly bytesPerSecond: number;
  readonly etaSeconds: number | null;
  /** Redacted URL; null before the first request. */
  readonly source: string | null;
  /** Reason of the last retry or change of mirror. */
  readonly note: string | null;
}

/** Retry policy for transient errors. */
export interface RetryPolicy {
  /** Attempts without a new byte before the next mirror is tried. */
  readonly maxAttempts: number;
  /** First delay. It doubles with each failure and is reduced by random jitter. */
  readonly initialDelayMs: number;
}

export const defaultRetry: RetryPolicy = { maxAttempts: 4, initialDelayMs: 500 };

export interface FetchOptions {
  /** Null when it is not published. */
  readonly bytes: number | null;
  readonly sha256: string | null;
  /** Maximum time without a received byte. */
  readonly stallMs: number;
  readonly retry: RetryPolicy;
  readonly limits: DownloadLimits;
  readonly policy: SourcePolicy;
  readonly s3: () => S3Client;
  readonly signal: AbortSignal;
}

export interface DownloadRequest extends FetchOptions {
  /** Mirrors in order of preference. The mirror of an unfinished part is tried first. */
  readonly urls: readonly string[];
  readonly target: string;
  /** Called several times per second during the download, also while existing bytes are hashed. */
  readonly onProgress: (progress: DownloadProgress) => void;
}

export interface DownloadResult {
  readonly bytes: number;
  readonly sha256: string;
  readonly reused: boolean;
  /** Number of bytes from an earlier, unfinished call. */
  readonly resumedFromBytes: number;
  /** Redacted URL of the last mirror; null when nothing was fetched. */
  readonly url: string | null;
  /** Reasons of all retries and changes of mirror. */
  readonly notes: readonly string[];
}
