import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { CodedError, systemErrorCode } from '../../errors/coded-error.ts';
import { createGuardedLookup, resolveWithSystem } from './guarded-lookup.ts';
import { resolveRedirect } from './resolve-redirect.ts';
import { redactUrl } from './redact-url.ts';
import { connectionError } from './source-errors.ts';
import { mayBePrivate, type SourcePolicy } from './source-policy.ts';

type Headers = Readonly<Record<string, string>>;

interface HttpClient {
  /** Sends a GET request and follows redirects. Resolves for any status, with the body unread. */
  readonly get: (headers: Headers, signal: AbortSignal) => Promise<IncomingMessage>;
  readonly close: () => void;
}

const maxRedirects = 3;
const redirectStatuses = new Set([301, 302, 303, 307, 308]);
/** Status codes of an expired signed URL, which a redirect may lead to. */
const expiredStatuses = new Set([401, 403, 404, 410]);

/** Creates the client for one file. It keeps connections alive and remembers the target of redirects. */
export const createHttpClient = (url: URL, policy: SourcePolicy): HttpClient => {
  const agents = { 'http:': new http.Agent({ keepAlive: true }), 'https:': new https.Agent({ keepAlive: true }) };
  const lookup = createGuardedLookup(resolveWithSystem);

  const send = (to: URL, headers: Headers, signal: AbortSignal): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const options = { headers, signal, ...(mayBePrivate(to, policy) ? {} : { lookup }) };
      const request =
        to.protocol === 'https:'
          ? https.get(to, { ...options, agent: agents['https:'] })
          : http.get(to, { ...options, agent: agents['http:'] });
      let hasResponse = false;
      request.once('response', (response) => {
        hasResponse = true;
        resolve(response);
      });
      request.on('error', (error) => {
        // The server closed a kept-alive connection just as it was reused, which is not an error.
        const isClosedByServer = request.reusedSocket && systemErrorCode(error) === 'ECONNRESET' && !signal.aborted;
        if (isClosedByServer && !hasResponse) send(to, headers, signal).then(resolve, reject);
        else reject(error);
      });
    });

  const follow = async (from: URL, headers: Headers, signal: AbortSignal) => {
    let address = from;
    for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
      const response = await send(address, headers, signal);
      if (!redirectStatuses.has(response.statusCode ?? 0)) return { response, address };
      response.destroy();
      address = resolveRedirect(address, response.headers.location ?? '', policy);
    }
    throw new CodedError('DownloadRefused', `${redactUrl(url.href)} redirected more than ${maxRedirects} times.`);
  };

  let target = url;
  const get = async (headers: Headers, signal: AbortSignal): Promise<IncomingMessage> => {
    try {
      const cachedTarget = target;
      let { response, address } = await follow(target, headers, signal);
      if (cachedTarget !== url && expiredStatuses.has(response.statusCode ?? 0)) {
        response.destroy();
        ({ response, address } = await follow(url, headers, signal));
      }
      target = address;
      return response;
    } catch (error) {
      signal.throwIfAborted();
      target = url;
      throw connectionError(redactUrl(url.href), error);
    }
  };
  const close = (): void => {
    agents['http:'].destroy();
    agents['https:'].destroy();
  };
  return { get, close };
};
