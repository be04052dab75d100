import { CodedError } from './coded-error.ts';
import { showUrl } from './show-url.ts';

export interface Connection {
  readonly signal: AbortSignal;
  /** Waits for the network, but no longer than stallMs. */
  readonly wait: <T>(work: Promise<T>) => Promise<T>;
  readonly close: () => void;
}

export const openConnection = (url: string, stallMs: number, signal: AbortSignal): Connection => {
  const controller = new AbortController();
  const stalled = (): void =>
    controller.abort(new CodedError('DownloadFailed', `${showUrl(url)} stalled: no byte came for ${stallMs} ms.`));

  const wait = async <T>(work: Promise<T>): Promise<T> => {
    const timer = setTimeout(stalled, stallMs);
    try {
      return await work;
    } catch (error) {
      signal.throwIfAborted();
      controller.signal.throwIfAborted();
      throw new CodedError('DownloadFailed', `${showUrl(url)} broke off: ${causesOf(error)}.`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  };

  return { signal: AbortSignal.any([signal, controller.signal]), wait, close: () => controller.abort() };
};

/** fetch says only "fetch failed"; the reason is in its causes. */
const causesOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${causesOf(error.cause)}`;
};
