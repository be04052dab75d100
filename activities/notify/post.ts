import { CodedError, systemErrorCode } from '../shared/errors/coded-error.ts';

/** Status codes after which a retry may succeed. */
const transientStatuses = new Set([408, 425, 429]);

/**
 * Sends a POST request without following redirects, which could deliver the message to a third party. Errors do not contain
 * the URL, because it is often the secret.
 * @throws CodedError NotifyFailed or NotifyRefused.
 */
export async function post(
  url: string,
  body: string,
  headers: Record<string, string>,
  timeoutMs: number,
): Promise<void> {
  const { protocol } = new URL(url);
  if (protocol !== 'https:' && protocol !== 'http:')
    throw new CodedError('NotifyRefused', `Expected an https: or http: URL, got ${protocol}`);
  const { status } = await send(url, {
    method: 'POST',
    body,
    headers,
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (status >= 200 && status < 300) return;
  if (status >= 300 && status < 400)
    throw new CodedError('NotifyRefused', `The URL redirects (${status}), and redirects are not followed.`);
  const code = status >= 500 || transientStatuses.has(status) ? 'NotifyFailed' : 'NotifyRefused';
  throw new CodedError(code, `The server responded with ${status}.`);
}

async function send(url: string, request: RequestInit): Promise<Response> {
  try {
    const response = await fetch(url, request);
    await response.body?.cancel();
    return response;
  } catch (error) {
    throw new CodedError('NotifyFailed', `The server did not respond: ${formatCause(error)}.`);
  }
}

/** Formats a code such as ECONNREFUSED. Omits the error's message, which may contain the URL. */
const formatCause = (error: unknown): string => {
  const cause = error instanceof Error ? error.cause : undefined;
  return systemErrorCode(cause) ?? (error instanceof Error ? error.name : 'unknown');
};
