import { stallError } from './source-errors.ts';
import type { SourceResponse, RangeRequest, Source } from './source.ts';

/** Opens a body, unless the source takes longer than `stallMs` to begin with it. */
export const openWithTimeout = async (
  source: Source,
  request: RangeRequest,
  stallMs: number,
): Promise<SourceResponse> => {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(stallError(source.displayUrl, stallMs)), stallMs);
  try {
    const answer = await source.open({ ...request, signal: AbortSignal.any([request.signal, patience.signal]) });
    // What breaks off before its reader is ready shows in `errored`; without a listener it would end the process.
    answer.body.on('error', () => undefined);
    return answer;
  } catch (error) {
    request.signal.throwIfAborted();
    patience.signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
  }
};
