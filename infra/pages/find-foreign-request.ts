import type { IncomingMessage } from 'node:http';

export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/** Host names of this machine. With DNS rebinding, a page of another site reaches us under its own name. */
const loopbackHost = /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/i;

/** Returns why to refuse a request under another name than that of this machine. */
export function findForeignHost({ headers: { host = '' }, socket }: IncomingMessage): Refusal | undefined {
  if (loopbackHost.test(host)) return undefined;
  const port = socket.localPort ?? 0;
  return {
    status: 421,
    message: `Expected the host name localhost or 127.0.0.1, got ${JSON.stringify(host)}. Other names are refused to prevent DNS rebinding. Open http://localhost:${port}; from another machine, first run ssh -L ${port}:localhost:${port} MACHINE.`,
  };
}

/**
 * Finds out whether a page of another site may have sent a request.
 * @returns why to refuse it; undefined for our own pages, links to them, and programs such as curl.
 */
export function findForeignRequest(request: IncomingMessage): Refusal | undefined {
  const foreign = findForeignHost(request);
  if (foreign !== undefined) return foreign;
  const { method, headers } = request;
  const { host = '', origin } = headers;
  // The port may differ from ours: ssh -L forwards any port.
  const isOwnOrigin = origin === undefined || origin.toLowerCase() === `http://${host.toLowerCase()}`;
  if (isOwnOrigin && (isOwnSite(headers['sec-fetch-site']) || isLink(method, headers))) return undefined;
  return { status: 403, message: 'Refused: a page of another site sent this request. Open the page itself.' };
}

/** Browsers send `none` for an address that the user typed; programs send no such header. */
const isOwnSite = (site: string | string[] | undefined): boolean =>
  site === undefined || site === 'same-origin' || site === 'none';

/** Links of other pages to ours are welcome; frames are not. */
const isLink = (method: string | undefined, headers: IncomingMessage['headers']): boolean =>
  method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
