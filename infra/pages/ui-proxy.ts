import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import { findForeignRequest } from './find-foreign-request.ts';
import { serveOnLoopback, type LoopbackServer } from './serve-on-loopback.ts';

interface UiProxyOptions {
  port: number;
  /** Address of the Temporal UI. */
  target: string;
}

interface Target {
  readonly hostname: string;
  readonly port: string;
}

/** Headers that concern one connection only. Node adds its own. */
const connectionHeaders = new Set(['connection', 'expect', 'keep-alive', 'te', 'trailer', 'upgrade']);

/**
 * Serves the Temporal UI to browsers on this machine. The UI itself accepts requests, writes included, under any host
 * name; this proxy refuses those of other sites.
 */
export function startUiProxy({ port, target }: UiProxyOptions): Promise<LoopbackServer> {
  const { hostname, port: targetPort } = new URL(target);
  return serveOnLoopback(
    (request, response) => {
      const refusal = findForeignRequest(request);
      if (refusal !== undefined) refuse(response, refusal.status, refusal.message);
      // An absolute URL would override the host name.
      else if (request.url?.startsWith('/') !== true) refuse(response, 400, 'Expected a path that begins with /.');
      else forward({ hostname, port: targetPort }, request, response);
    },
    { port },
  );
}

function forward(target: Target, request: IncomingMessage, response: ServerResponse): void {
  const { method, url: path } = request;
  // Without an agent, no request reuses a connection that the UI is about to close.
  const upstream = httpRequest({ ...target, agent: false, method, path, headers: endToEnd(request.headers) });
  upstream.once('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers));
    pipeline(answer, response, () => undefined); // either side may leave at any time
  });
  upstream.on('error', () => {
    if (response.headersSent || response.destroyed) response.destroy();
    else refuse(response, 502, 'The Temporal UI does not respond. It starts with the Temporal server: try again soon.');
  });
  response.once('close', () => upstream.destroy());
  request.pipe(upstream);
}

const endToEnd = (headers: IncomingHttpHeaders): IncomingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !connectionHeaders.has(name)));

function refuse(response: ServerResponse, status: number, message: string): void {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
  response.writeHead(status, headers).end(`${message}\n`);
}
