import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { findForeignRequest } from './find-foreign-request.ts';
import { findPage, type Page } from './find-page.ts';
import type { ArtifactStore } from '../../activities/shared/store/artifact-store.ts';
import { CodedError } from '../../activities/shared/errors/coded-error.ts';
import { createLiveRunReader } from '../../activities/pages/runs/live-run.ts';
import { createRunIndex } from '../../activities/pages/runs/run-index.ts';
import { createModelReader } from '../../activities/pages/models/read-models.ts';
import { serveOnLoopback, type LoopbackServer } from './serve-on-loopback.ts';

const noFraming = "frame-ancestors 'none'; base-uri 'none'";

/** Security headers of every response. */
const headers = {
  // Each page adds the hashes of its style and script in a meta tag, and forbids forms unless it has one.
  'content-security-policy': `${noFraming}; form-action 'self'`,
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
};

interface PageServerOptions {
  home: string;
  /** Store of the model registry. */
  store: ArtifactStore;
  port: number;
}

/** Serves the pages of runs and models to browsers on this machine, read-only. */
export function startPageServer({ home, store, port }: PageServerOptions): Promise<LoopbackServer> {
  const sources = {
    home,
    listRuns: createRunIndex(home),
    readRun: createLiveRunReader(home),
    models: createModelReader(home, store),
  };
  return serveOnLoopback(
    (request, response) => {
      answer((path, query) => findPage(sources, path, query), request, response).catch((error: unknown) => {
        console.error(error);
        if (response.headersSent) response.destroy();
        else if (error instanceof CodedError) refuse(response, 503, error.message);
        else refuse(response, 500, 'Internal error. The log of the page server has the details.');
      });
    },
    { port },
  );
}

async function answer(
  find: (path: string, query: URLSearchParams) => Promise<Page>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refusal = findForeignRequest(request);
  if (refusal !== undefined) refuse(response, refusal.status, refusal.message);
  else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    refuse(response, 405, 'These pages are read-only.');
  } else {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    send(await find(path, new URLSearchParams(query)), request, response);
  }
}

function send(page: Page, request: IncomingMessage, response: ServerResponse): void {
  if ('movedTo' in page) {
    response.writeHead(308, { ...headers, location: page.movedTo }).end();
    return;
  }
  const etag = `"${createHash('sha256').update(page.body).digest('base64url')}"`;
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, { ...headers, etag }).end();
    return;
  }
  const length = Buffer.byteLength(page.body);
  const policy = page.isPage
    ? {}
    : { 'content-security-policy': `default-src 'none'; sandbox; ${noFraming}; form-action 'none'` };
  response.writeHead(page.status ?? 200, {
    ...headers,
    ...policy,
    etag,
    'content-type': page.type,
    'content-length': length,
  });
  response.end(request.method === 'HEAD' ? undefined : page.body);
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { ...headers, 'content-type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
}
