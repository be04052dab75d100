import { setTimeout as sleep } from 'node:timers/promises';
import type { Readable } from 'node:stream';
import { connectionError, stallError } from './sources/source-errors.ts';
import type { RangeWriter } from './parts/range-writer.ts';
import type { FetchOptions } from './sources/download-request.ts';

interface ReceiveOptions {
  readonly displayUrl: string;
  readonly maxBytes: number;
  /** Creates the error for a body of more than `maxBytes`. */
  readonly overflowError: () => Error;
  readonly onBytes: (bytes: number) => void;
}

/**
 * Writes a body to disk with backpressure from the disk and the shared rate limit. Bytes received before an error are
 * written, too. Uses 'data' events, because async iteration would cost a third of the throughput.
 */
export const receiveBody = async (
  body: Readable,
  writer: RangeWriter,
  { displayUrl, maxBytes, overflowError, onBytes }: ReceiveOptions,
  { stallMs, limits, signal }: FetchOptions,
): Promise<void> => {
  let received = 0;
  const onStall = (): void => void body.destroy(stallError(displayUrl, stallMs));
  let stallTimer = setTimeout(onStall, stallMs);

  /** Pauses the body without counting the pause as a stall. */
  const pause = async (pauseMs: number): Promise<void> => {
    body.pause();
    clearTimeout(stallTimer);
    try {
      if (writer.isFull) await writer.drained();
      if (pauseMs > 0) await sleep(pauseMs, undefined, { signal });
      if (body.destroyed) return;
      stallTimer = setTimeout(onStall, stallMs);
      body.resume();
    } catch (error) {
      body.destroy(error instanceof Error ? error : undefined);
    }
  };
  const onData = (chunk: Uint8Array): void => {
    stallTimer.refresh();
    received += chunk.length;
    if (received > maxBytes) {
      body.destroy(overflowError());
      return;
    }
    writer.push(chunk);
    onBytes(chunk.length);
    const pauseMs = limits.pauseMsAfter(chunk.length);
    if (pauseMs > 0 || writer.isFull) void pause(pauseMs);
  };

  try {
    await waitForEnd(body.on('data', onData), signal);
  } catch (error) {
    signal.throwIfAborted();
    // Reports a disk error as such, not as an error of the source.
    await writer.flush();
    throw connectionError(displayUrl, error);
  } finally {
    clearTimeout(stallTimer);
    body.destroy();
    await writer.flush();
  }
};

const waitForEnd = (body: Readable, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    // The connection may have been closed before the listeners were attached.
    if (body.destroyed) reject(body.errored ?? new Error('the connection was closed'));
    const onAbort = (): void => void body.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    body.once('end', resolve);
    body.once('error', reject);
    body.once('close', () => {
      signal.removeEventListener('abort', onAbort);
      reject(new Error('the connection was closed'));
    });
  });
