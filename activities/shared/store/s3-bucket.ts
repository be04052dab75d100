import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import pRetry from 'p-retry';
import { classify, toStoreError } from './s3-errors.ts';

export interface S3Options {
  /** Undefined: AWS itself, or what the environment of the worker says. */
  readonly endpoint: string | undefined;
  /** Undefined: from the environment. */
  readonly region: string | undefined;
  /** Undefined, as it should be outside of tests: whatever the SDK's default chain finds in the worker's environment. */
  readonly credentials?: S3ClientConfig['credentials'];
  /** A connection on which nothing moves for so long is given up. */
  readonly stallMs: number;
  /** Where unfinished uploads are remembered. */
  readonly stateFolder: string;
  /** Larger files go over in parts of this size, or of more where S3's 10,000 parts would not suffice. */
  readonly partBytes: number;
}

/** The delays between the attempts add up to about three seconds. */
const maxAttempts = 6;
/** The first retry waits for one to two times this long; every further delay doubles. */
const minRetryDelayMs = 50;

/** How one try went before this one: after an ambiguous failure, what was asked for may have been done. */
export interface Attempt {
  readonly wasAmbiguous: boolean;
}

/** One bucket of one server, and how patiently it is asked. */
export class S3Bucket {
  readonly client: S3Client;
  readonly name: string;
  readonly partBytes: number;

  constructor(name: string, { endpoint, region, credentials, stallMs, partBytes }: S3Options) {
    this.name = name;
    this.partBytes = partBytes;
    this.client = new S3Client({
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      // Other servers than AWS mostly do not care, but signing needs one.
      ...(region === undefined ? (endpoint === undefined ? {} : { region: 'us-east-1' }) : { region }),
      ...(credentials === undefined ? {} : { credentials }),
      // Retries are ours: after a lost answer one must look before one asks again.
      maxAttempts: 1,
      // Bodies go with their md5, which every server checks; SeaweedFS does not check the sha256 of the signature. The SDK's
      // own CRC would be one more pass.
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
   * Asks until there is an answer that more asking would not change. `ask` is given how the try before went.
   * @throws what the SDK threw, for `classify`; CodedError StoreUnavailable when all tries failed in passing.
   */
  async withRetry<T>(what: string, signal: AbortSignal | undefined, ask: (attempt: Attempt) => Promise<T>): Promise<T> {
    try {
      return await pRetry((attempt) => ask({ wasAmbiguous: attempt > 1 }), {
        retries: maxAttempts - 1,
        minTimeout: minRetryDelayMs,
        randomize: true,
        signal,
        shouldRetry: ({ error }) => classify(error) === 'passing',
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (classify(error) !== 'passing') throw error;
      throw toStoreError(`${what} (${maxAttempts} attempts)`, error);
    }
  }

  /** `ask` for where every error but a passing one is final. */
  async request<T>(what: string, signal: AbortSignal | undefined, ask: () => Promise<T>): Promise<T> {
    try {
      return await this.withRetry(what, signal, ask);
    } catch (error) {
      signal?.throwIfAborted();
      throw toStoreError(what, error);
    }
  }
}

/** The signature covers the md5 of the body; to hash that for it, too, would be once more for nothing. */
function skipBodySignature(request: unknown): void {
  if (hasHeaders(request) && 'content-md5' in request.headers) {
    request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
  }
}

const hasHeaders = (request: unknown): request is { headers: Record<string, string> } =>
  typeof request === 'object' && request !== null && 'headers' in request && typeof request.headers === 'object';
