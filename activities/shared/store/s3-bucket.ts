import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import pRetry from 'p-retry';
import { classify, toStoreError } from './s3-errors.ts';

export interface S3Options {
  /** Undefined selects AWS or the endpoint of the worker's environment. */
  readonly endpoint: string | undefined;
  /** Undefined selects the region of the environment. */
  readonly region: string | undefined;
  /** Undefined, outside of tests, selects the SDK's default credential chain. */
  readonly credentials?: S3ClientConfig['credentials'];
  /** Idle timeout of a connection. */
  readonly stallMs: number;
  /** Folder for the state of unfinished uploads. */
  readonly stateFolder: string;
  /** Larger files are uploaded in parts of this size. */
  readonly partBytes: number;
}

/** The delays between the attempts add up to about three seconds. */
const maxAttempts = 6;
/** The first retry waits for one to two times this long; every further delay doubles. */
const minRetryDelayMs = 50;

/** State of an attempt. After an ambiguous failure, the request may have been executed. */
interface Attempt {
  readonly wasAmbiguous: boolean;
}

/** A bucket with its client and retry policy. */
export class S3Bucket {
  readonly client: S3Client;
  readonly name: string;
  readonly partBytes: number;

  constructor(name: string, { endpoint, region, credentials, stallMs, partBytes }: S3Options) {
    this.name = name;
    this.partBytes = partBytes;
    this.client = new S3Client({
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      // Signing requires a region, even if other servers ignore it.
      ...(region === undefined ? (endpoint === undefined ? {} : { region: 'us-east-1' }) : { region }),
      ...(credentials === undefined ? {} : { credentials }),
      // `withRetry` retries instead, because after a lost response the caller must check the state first.
      maxAttempts: 1,
      // Every server verifies the MD5 of bodies, while SeaweedFS ignores the sha256 of the signature. The SDK's CRC would
      // add another pass.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: 5_000, socketTimeout: stallMs },
    });
    this.client.middlewareStack.add(
      (next) => (args) => {
        skipBodySignature(args.request);
        return next(args);
      },
      { step: 'build', name: 'everswinUnsignedBody' },
    );
  }

  uri(key: string): string {
    return `s3://${this.name}/${key}`;
  }

  /**
   * Sends a request and retries transient errors.
   * @throws the error of the SDK, for `classify`; CodedError StoreUnavailable after the last attempt.
   */
  async withRetry<T>(
    operation: string,
    signal: AbortSignal | undefined,
    send: (attempt: Attempt) => Promise<T>,
  ): Promise<T> {
    try {
      return await pRetry((attempt) => send({ wasAmbiguous: attempt > 1 }), {
        retries: maxAttempts - 1,
        minTimeout: minRetryDelayMs,
        randomize: true,
        signal,
        shouldRetry: ({ error }) => classify(error) === 'transient',
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (classify(error) !== 'transient') throw error;
      throw toStoreError(`${operation} (${maxAttempts} attempts)`, error);
    }
  }

  /** Sends a request with `withRetry` and converts every error to a CodedError. */
  async request<T>(operation: string, signal: AbortSignal | undefined, send: () => Promise<T>): Promise<T> {
    try {
      return await this.withRetry(operation, signal, send);
    } catch (error) {
      signal?.throwIfAborted();
      throw toStoreError(operation, error);
    }
  }
}

/** Excludes the body from the signature. The signed MD5 already covers it, and a sha256 would cost another pass. */
function skipBodySignature(request: unknown): void {
  if (hasHeaders(request) && 'content-md5' in request.headers) {
    request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
  }
}

const hasHeaders = (request: unknown): request is { headers: Record<string, string> } =>
  typeof request === 'object' && request !== null && 'headers' in request && typeof request.headers === 'object';
