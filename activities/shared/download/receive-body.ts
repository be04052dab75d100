import { setTimeout as sleep } from 'node:timers/promises';
import type { Readable } from 'node:stream';
import { connectionError, stallError } from './sources/source-errors.ts';
import type { RangeWriter } from './parts/range-writer.ts';
import type { FetchOptions } from './sources/download-request.ts';

export interface ReceiveOptions {
  readonly displayUrl: string;
  /** What is wrong once more than so many bytes come. */
  readonly maxBytes: number;
  readonly overflowError: () => Error;
  readonly onBytes: (bytes: number) => void;
}

/**
 * Moves a body to the disk at the pace of the slowest: source, disk, or the shared rate. What arrived before a fault is
 * written all the same. Listens to chunks itself: iterating over them would cost a third of the throughput.
 */
export const receiveBody = async (
  body: Readable,
  writer: RangeWriter,
  { displayUrl: shown, maxBytes, overflowError: tooMuch, onBytes }: ReceiveOptions,
  { stallMs, limits, signal }: FetchOptions,
): Promise<void> => {
  let received = 0;
  const onStall = (): void => void body.destroy(stallError(shown, stallMs));
  let stallTimer = setTimeout(onStall, stallMs);

  /** The source is not to blame for the time in which nobody listens to it. */
  const rest = async (restMs: number): Promise<void> => {
    body.pause();
    clearTimeout(stallTimer);
    try {
      if (writer.isFull) await writer.drained();
      if (restMs > 0) await sleep(restMs, undefined, { signal });
      if (body.destroyed) return;
      stallTimer = setTimeout(onStall, stallMs);
      body.resume();
    } catch (error) {
      body.destroy(error instanceof Error ? error : undefined);
    }
  };
  const take = (chunk: Uint8Array): void => {
    stallTimer.refresh();
    received += chunk.length;
    if (received > maxBytes) {
      body.destroy(tooMuch());
      return;
    }
    writer.push(chunk);
    onBytes(chunk.length);
    const restMs = limits.pauseMsAfter(chunk.length);
    if (restMs > 0 || writer.isFull) void rest(restMs);
  };

  try {
    await waitForEnd(body.on('data', take), signal);
  } catch (error) {
    signal.throwIfAborted();
    // Our own disk is never the fault of a source.
    await writer.flush();
    throw connectionError(shown, error);
  } finally {
    clearTimeout(stallTimer);
    body.destroy();
    await writer.flush();
  }
};

const waitForEnd = (body: Readable, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    // It broke off while nobody listened yet.
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
