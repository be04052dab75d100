import { stallError } from './source-errors.ts';
import type { SourceResponse, RangeRequest, Source } from './source.ts';

/** Opens a source; fails if no response arrives within `stallMs`. */
export const openWithTimeout = async (
  source: Source,
  request: RangeRequest,
  stallMs: number,
): Promise<SourceResponse> => {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(stallError(source.displayUrl, stallMs)), stallMs);
  try {
    const response = await source.open({ ...request, signal: AbortSignal.any([request.signal, timeout.signal]) });
    // An error before the reader attaches is kept in `errored`; without a listener it would crash the process.
    response.body.on('error', () => undefined);
    return response;
  } catch (error) {
    request.signal.throwIfAborted();
    timeout.signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
  }
};
