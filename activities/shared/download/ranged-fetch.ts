import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError } from '../errors/coded-error.ts';
import { retryDelayMs } from './backoff.ts';
import { requireDiskSpace } from './require-disk-space.ts';
import type { DownloadContext } from './download-context.ts';
import type { FileVersion } from './sources/file-version.ts';
import { checkResponse, sizeMismatch } from './check-response.ts';
import { openWithTimeout } from './sources/open-with-timeout.ts';
import { receiveBody } from './receive-body.ts';
import { firstLine, TransientError, RangesUnusable } from './sources/source-errors.ts';
import type { SourceResponse, Source } from './sources/source.ts';
import { spanBytes, SpanQueue } from './parts/span-queue.ts';

/** Connections per download. More do not help on a fast network, and servers may block them. */
const maxConnections = 8;

/** Bytes that one connection fetches. */
interface Assignment {
  readonly first: number;
  /** Null for everything up to the end. */
  readonly last: number | null;
  /** True for the complete file in one body, without a Range header. */
  readonly withoutRange: boolean;
  readonly release: () => void;
}

/** Fetches one version of a file from one source over several connections. Each connection retries on its own. */
export class RangedFetch {
  readonly #url: string;
  readonly #source: Source;
  readonly #context: DownloadContext;
  readonly #expected: FileVersion | null;
  readonly #queue: SpanQueue;
  readonly #stop = new AbortController();
  readonly #done = new AbortController();
  /** Aborts open connections. */
  readonly #signal: AbortSignal;
  /** Aborts waiting connections. */
  readonly #waitSignal: AbortSignal;
  readonly #workers: Promise<void>[] = [];
  #version: FileVersion | null = null;
  #withoutRange: boolean;
  #total: number | null;
  #failure: Error | null = null;
  /** Counts the bytes that no earlier attempt has received. */
  #newBytes = 0;
  #furthest = 0;

  constructor(
    url: string,
    source: Source,
    context: DownloadContext,
    { withoutRange, expected }: { withoutRange: boolean; expected: FileVersion | null },
  ) {
    const { options, part } = context;
    this.#url = url;
    this.#source = source;
    this.#context = context;
    this.#expected = expected;
    this.#withoutRange = withoutRange;
    this.#total = options.bytes ?? part.source?.bytes ?? null;
    this.#queue = new SpanQueue(() => part.missing(this.#total ?? Infinity));
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#waitSignal = AbortSignal.any([this.#signal, this.#done.signal]);
  }

  /** Version in the first response; null before that. */
  get version(): FileVersion | null {
    return this.#version;
  }

  /**
   * Resolves when the part is complete.
   * @throws the first failure, after all connections are closed.
   */
  async finish(): Promise<void> {
    const { options, part } = this.#context;
    this.#workers.push(this.#runWorker());
    // The first response starts further workers.
    for (const worker of this.#workers) await worker;
    options.signal.throwIfAborted();
    if (this.#failure === null) return;
    // An accepted source that turns out to have another size has corrupted the part.
    const isCorrupted = this.#failure instanceof CodedError && this.#failure.code === 'ChecksumMismatch';
    if (isCorrupted && this.#version !== null) await part.discard();
    throw this.#failure;
  }

  get #isComplete(): boolean {
    return this.#total !== null && this.#context.part.bytes === this.#total;
  }

  /** Fetches one assignment after another until none is left. Never rejects: the first failure stops all workers. */
  async #runWorker(): Promise<void> {
    const { retry } = this.#context.options;
    let failures = 0;
    let attemptsWithoutProgress = 0;
    let newBytes = 0;
    try {
      while (!this.#isComplete) {
        const error = await this.#fetchNext();
        if (error === 'nothing left') return;
        failures = error === null ? 0 : failures + 1;
        if (error === null) continue;
        attemptsWithoutProgress = this.#newBytes > newBytes ? 1 : attemptsWithoutProgress + 1;
        newBytes = this.#newBytes;
        if (attemptsWithoutProgress >= retry.maxAttempts) throw error;
        await this.#waitAfter(error, failures, attemptsWithoutProgress);
      }
    } catch (error) {
      // Once the file is complete, aborting waiting workers is not a failure. A changed source always is.
      if (error instanceof CodedError || !this.#done.signal.aborted) this.#failure ??= asError(error);
    }
    if (this.#failure !== null) this.#stop.abort(new Error('another connection failed'));
    else if (this.#isComplete) this.#done.abort(new Error('the file is complete'));
  }

  async #waitAfter(error: TransientError, failures: number, attempts: number): Promise<void> {
    const { options, meter } = this.#context;
    const delayMs = retryDelayMs(failures, options.retry, error.retryAfterMs);
    const seconds = (delayMs / 1000).toFixed(1);
    meter.note(
      `${firstLine(error)} Retrying in ${seconds} s (attempt ${attempts + 1} of ${options.retry.maxAttempts}).`,
    );
    await sleep(delayMs, undefined, { signal: this.#waitSignal });
  }

  async #fetchNext(): Promise<TransientError | null | 'nothing left'> {
    const releaseConnection = await this.#context.options.limits.acquireConnection(this.#waitSignal);
    const assignment = await this.#nextAssignment();
    try {
      if (assignment === null) return 'nothing left';
      await this.#fetch(assignment);
      return null;
    } catch (error) {
      this.#signal.throwIfAborted();
      if (error instanceof TransientError) return error;
      throw error;
    } finally {
      assignment?.release();
      releaseConnection();
    }
  }

  async #nextAssignment(): Promise<Assignment | null> {
    const { part } = this.#context;
    const releaseNothing = (): void => undefined;
    if (this.#withoutRange) {
      // Without ranges, a download cannot be resumed.
      if (part.bytes > 0) await part.discard();
      return { first: 0, last: null, withoutRange: true, release: releaseNothing };
    }
    // One request suffices for a small file.
    const isSmall = part.bytes === 0 && this.#total !== null && this.#total <= spanBytes && this.#version === null;
    const span = this.#queue.take(isSmall ? 1 : this.#workerLimit);
    if (span === null) return null;
    const [first, end] = span;
    return { first, last: end - 1, withoutRange: isSmall, release: () => this.#queue.release(span) };
  }

  get #workerLimit(): number {
    return Math.min(maxConnections, this.#context.options.limits.connections);
  }

  async #fetch(assignment: Assignment): Promise<void> {
    const { part, options } = this.#context;
    const { first, last, withoutRange } = assignment;
    const known = this.#version ?? (part.bytes > 0 ? this.#expected : null);
    const request = { first, last, withoutRange, known, signal: this.#signal };
    const response = await openWithTimeout(this.#source, request, options.stallMs);
    try {
      await this.#accept(response, assignment);
      await this.#receive(response);
      await this.#source.verifyUnchanged(response);
    } finally {
      response.body.destroy();
    }
  }

  async #accept(response: SourceResponse, assignment: Assignment): Promise<void> {
    const { part, options } = this.#context;
    const { displayUrl } = this.#source;
    checkResponse(displayUrl, response, this.#version ?? this.#expected, options);
    const isFirst = this.#version === null;
    if (!response.ranged && !assignment.withoutRange) {
      if (!isFirst) throw new RangesUnusable(`${displayUrl} sent the complete file instead of a range.`);
      this.#withoutRange = true;
    }
    if (response.first === 0 && this.#withoutRange && part.bytes > 0) await part.discard();
    if (isFirst) this.#total = options.bytes ?? response.version.bytes;
    // A mirror with another file size cannot complete this part.
    if (isFirst && part.bytes > 0 && part.source?.bytes !== this.#total) await part.discard();
    if (this.#total === null && response.ranged)
      throw new RangesUnusable(`${displayUrl} does not report the size of the file.`);
    if (isFirst && this.#total !== null) await requireDiskSpace(part.path, this.#total);
    if (isFirst || part.source === null)
      await part.recordOrigin({ url: this.#url, ...response.version, bytes: this.#total });
    this.#version ??= response.version;
    this.#context.meter.show({ totalBytes: this.#total });
    if (isFirst && response.ranged) this.#startWorkers();
  }

  #startWorkers(): void {
    const spans = Math.ceil(this.#queue.unassignedBytes / spanBytes);
    const more = Math.min(this.#workerLimit - 1, spans);
    for (let worker = 0; worker < more; worker++) this.#workers.push(this.#runWorker());
  }

  async #receive(response: SourceResponse): Promise<void> {
    const { part, options, meter } = this.#context;
    const { displayUrl } = this.#source;
    const expected = response.ranged ? response.last : (this.#total ?? Infinity) - 1;
    const maxBytes = (expected ?? Infinity) - response.first + 1;
    const overflowError = (): CodedError =>
      response.ranged
        ? new RangesUnusable(`${displayUrl} sent more bytes than the range it announced.`)
        : sizeMismatch(displayUrl, maxBytes, 'more');
    let position = response.first;
    const onBytes = (bytes: number): void => {
      position += bytes;
      meter.received(bytes);
      if (response.ranged || position > this.#furthest) this.#newBytes += bytes;
      this.#furthest = Math.max(this.#furthest, position);
    };
    const writer = part.writerFrom(response.first);
    await receiveBody(
      response.body,
      writer,
      { displayUrl, maxBytes, overflowError, onBytes },
      { ...options, signal: this.#signal },
    );
    const received = position - response.first;
    // An empty file is always an error.
    if (received === 0 || (Number.isFinite(maxBytes) && received < maxBytes)) {
      const expectedBytes = Number.isFinite(maxBytes) ? maxBytes : 'unknown';
      throw new TransientError(`${displayUrl} closed the connection after ${received} of ${expectedBytes} bytes.`);
    }
    this.#total ??= received;
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
