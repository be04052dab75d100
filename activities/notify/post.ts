import { CodedError, systemErrorCode } from '../shared/errors/coded-error.ts';

/** Not now; later perhaps. */
const transientStatuses = new Set([408, 425, 429]);

/**
 * One POST, without redirects: an address that moves would carry the message to somebody else. No error says the address,
 * which is often the secret itself.
 * @throws CodedError NotifyFailed or NotifyRefused.
 */
export async function post(
  url: string,
  body: string,
  headers: Record<string, string>,
  answerWithinMs: number,
): Promise<void> {
  const { protocol } = new URL(url);
  if (protocol !== 'https:' && protocol !== 'http:')
    throw new CodedError('NotifyRefused', `Expected an https address, got one of ${protocol}`);
  const { status } = await send(url, {
    method: 'POST',
    body,
    headers,
    redirect: 'manual',
    signal: AbortSignal.timeout(answerWithinMs),
  });
  if (status >= 200 && status < 300) return;
  if (status >= 300 && status < 400)
    throw new CodedError('NotifyRefused', `The address redirects (${status}), and redirects are not followed.`);
  const code = status >= 500 || transientStatuses.has(status) ? 'NotifyFailed' : 'NotifyRefused';
  throw new CodedError(code, `The server answered ${status}.`);
}

async function send(url: string, request: RequestInit): Promise<Response> {
  try {
    const response = await fetch(url, request);
    await response.body?.cancel();
    return response;
  } catch (error) {
    throw new CodedError('NotifyFailed', `The server did not answer: ${formatCause(error)}.`);
  }
}

/** `ECONNREFUSED`, `TimeoutError`: never the error's own words, which may hold the address. */
const formatCause = (error: unknown): string => {
  const cause = error instanceof Error ? error.cause : undefined;
  return systemErrorCode(cause) ?? (error instanceof Error ? error.name : 'unknown');
};
