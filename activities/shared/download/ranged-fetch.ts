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

/** Connections of one download; more bring nothing on a fast network, and look like an attack on a slow one. */
const maxConnections = 8;

/** What one connection is to bring. */
interface Assignment {
  readonly first: number;
  /** Null for all that comes. */
  readonly last: number | null;
  /** As one body from the first byte on, without a Range. */
  readonly whole: boolean;
  readonly release: () => void;
}

/** One version of a file from one source, by several connections at once, each of which tries again by itself. */
export class RangedFetch {
  readonly #url: string;
  readonly #source: Source;
  readonly #fetching: DownloadContext;
  readonly #expected: FileVersion | null;
  readonly #queue: SpanQueue;
  readonly #stop = new AbortController();
  readonly #done = new AbortController();
  /** Of connections in use. */
  readonly #signal: AbortSignal;
  /** Of those who wait. */
  readonly #waitSignal: AbortSignal;
  readonly #takers: Promise<void>[] = [];
  #version: FileVersion | null = null;
  #whole: boolean;
  #total: number | null;
  #fault: Error | null = null;
  /** Grows with each byte that no earlier try has brought. */
  #news = 0;
  #furthest = 0;

  constructor(
    url: string,
    source: Source,
    fetching: DownloadContext,
    { whole, expected }: { whole: boolean; expected: FileVersion | null },
  ) {
    const { options: wanted, part } = fetching;
    this.#url = url;
    this.#source = source;
    this.#fetching = fetching;
    this.#expected = expected;
    this.#whole = whole;
    this.#total = wanted.bytes ?? part.source?.bytes ?? null;
    this.#queue = new SpanQueue(() => part.missing(this.#total ?? Infinity));
    this.#signal = AbortSignal.any([wanted.signal, this.#stop.signal]);
    this.#waitSignal = AbortSignal.any([this.#signal, this.#done.signal]);
  }

  /** As its first answer named it; null before. */
  get version(): FileVersion | null {
    return this.#version;
  }

  /** Resolves when the part is complete. @throws what ended it early, after all connections are closed. */
  async finish(): Promise<void> {
    const { options: wanted, part } = this.#fetching;
    this.#takers.push(this.#take());
    // The first answer brings further takers.
    for (const taker of this.#takers) await taker;
    wanted.signal.throwIfAborted();
    if (this.#fault === null) return;
    // Once it was accepted, a source that then turns out to hold another size has spoiled the part.
    const isSpoiled = this.#fault instanceof CodedError && this.#fault.code === 'ChecksumMismatch';
    if (isSpoiled && this.#version !== null) await part.discard();
    throw this.#fault;
  }

  get #isComplete(): boolean {
    return this.#total !== null && this.#fetching.part.bytes === this.#total;
  }

  /** One connection after another until nothing is left to take. Never rejects: the first fault ends all takers. */
  async #take(): Promise<void> {
    const { retry } = this.#fetching.options;
    let faults = 0;
    let stuck = 0;
    let news = 0;
    try {
      while (!this.#isComplete) {
        const fault = await this.#takeOne();
        if (fault === 'nothing left') return;
        faults = fault === null ? 0 : faults + 1;
        if (fault === null) continue;
        stuck = this.#news > news ? 1 : stuck + 1;
        news = this.#news;
        if (stuck >= retry.maxAttempts) throw fault;
        await this.#waitAfter(fault, faults, stuck);
      }
    } catch (error) {
      // When all is there, those who waited for their turn are sent away: no fault. A changed source is one even then.
      if (error instanceof CodedError || !this.#done.signal.aborted) this.#fault ??= asError(error);
    }
    if (this.#fault !== null) this.#stop.abort(new Error('another connection failed'));
    else if (this.#isComplete) this.#done.abort(new Error('the file is complete'));
  }

  async #waitAfter(fault: TransientError, faults: number, stuck: number): Promise<void> {
    const { options: wanted, meter } = this.#fetching;
    const waitMs = retryDelayMs(faults, wanted.retry, fault.retryAfterMs);
    const seconds = (waitMs / 1000).toFixed(1);
    meter.note(`${firstLine(fault)} Trying again in ${seconds} s (${stuck + 1} of ${wanted.retry.maxAttempts}).`);
    await sleep(waitMs, undefined, { signal: this.#waitSignal });
  }

  async #takeOne(): Promise<TransientError | null | 'nothing left'> {
    const free = await this.#fetching.options.limits.takeConnection(this.#waitSignal);
    const order = await this.#nextOrder();
    try {
      if (order === null) return 'nothing left';
      await this.#fetch(order);
      return null;
    } catch (error) {
      this.#signal.throwIfAborted();
      if (error instanceof TransientError) return error;
      throw error;
    } finally {
      order?.release();
      free();
    }
  }

  async #nextOrder(): Promise<Assignment | null> {
    const { part } = this.#fetching;
    const giveBack = (): void => undefined;
    if (this.#whole) {
      // Without ranges nobody can go on: what came before counts for nothing.
      if (part.bytes > 0) await part.discard();
      return { first: 0, last: null, whole: true, release: giveBack };
    }
    // A small file is not worth more than one request.
    const isSmall = part.bytes === 0 && this.#total !== null && this.#total <= spanBytes && this.#version === null;
    const span = this.#queue.take(isSmall ? 1 : this.#maxTakers);
    if (span === null) return null;
    const [first, end] = span;
    return { first, last: end - 1, whole: isSmall, release: () => this.#queue.release(span) };
  }

  get #maxTakers(): number {
    return Math.min(maxConnections, this.#fetching.options.limits.connections);
  }

  async #fetch(order: Assignment): Promise<void> {
    const { part, options: wanted } = this.#fetching;
    const { first, last, whole } = order;
    const known = this.#version ?? (part.bytes > 0 ? this.#expected : null);
    const request = { first, last, whole, known, signal: this.#signal };
    const answer = await openWithTimeout(this.#source, request, wanted.stallMs);
    try {
      await this.#accept(answer, order);
      await this.#receive(answer);
      await this.#source.verifyUnchanged(answer);
    } finally {
      answer.body.destroy();
    }
  }

  async #accept(answer: SourceResponse, order: Assignment): Promise<void> {
    const { part, options: wanted } = this.#fetching;
    const { displayUrl: shown } = this.#source;
    checkResponse(shown, answer, this.#version ?? this.#expected, wanted);
    const isFirst = this.#version === null;
    if (!answer.ranged && !order.whole) {
      if (!isFirst) throw new RangesUnusable(`${shown} answered with the whole file to a range.`);
      this.#whole = true;
    }
    if (answer.first === 0 && this.#whole && part.bytes > 0) await part.discard();
    if (isFirst) this.#total = wanted.bytes ?? answer.version.bytes;
    // Another mirror that holds another size: its bytes are of no use.
    if (isFirst && part.bytes > 0 && part.source?.bytes !== this.#total) await part.discard();
    if (this.#total === null && answer.ranged) throw new RangesUnusable(`${shown} does not say how large the file is.`);
    if (isFirst && this.#total !== null) await requireDiskSpace(part.path, this.#total);
    if (isFirst || part.source === null) await part.describe({ url: this.#url, ...answer.version, bytes: this.#total });
    this.#version ??= answer.version;
    this.#fetching.meter.show({ totalBytes: this.#total });
    if (isFirst && answer.ranged) this.#callTakers();
  }

  #callTakers(): void {
    const spans = Math.ceil(this.#queue.unassignedBytes / spanBytes);
    const more = Math.min(this.#maxTakers - 1, spans);
    for (let taker = 0; taker < more; taker++) this.#takers.push(this.#take());
  }

  async #receive(answer: SourceResponse): Promise<void> {
    const { part, options: wanted, meter } = this.#fetching;
    const { displayUrl: shown } = this.#source;
    const expected = answer.ranged ? answer.last : (this.#total ?? Infinity) - 1;
    const maxBytes = (expected ?? Infinity) - answer.first + 1;
    const tooMuch = (): CodedError =>
      answer.ranged
        ? new RangesUnusable(`${shown} sent more than the range that it announced.`)
        : sizeMismatch(shown, maxBytes, 'more');
    let position = answer.first;
    const onBytes = (bytes: number): void => {
      position += bytes;
      meter.received(bytes);
      if (answer.ranged || position > this.#furthest) this.#news += bytes;
      this.#furthest = Math.max(this.#furthest, position);
    };
    const writer = part.writerFrom(answer.first);
    await receiveBody(
      answer.body,
      writer,
      { displayUrl: shown, maxBytes, overflowError: tooMuch, onBytes },
      { ...wanted, signal: this.#signal },
    );
    const received = position - answer.first;
    // Nothing worth a download is empty, whatever the server says.
    if (received === 0 || (Number.isFinite(maxBytes) && received < maxBytes)) {
      const wantedBytes = Number.isFinite(maxBytes) ? maxBytes : 'unknown';
      throw new TransientError(`${shown} ended after ${received} of ${wantedBytes} bytes.`);
    }
    this.#total ??= received;
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
