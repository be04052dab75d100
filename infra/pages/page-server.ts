import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { findPage, type Page } from './find-page.ts';
import type { ArtifactStore } from '../../activities/shared/store/artifact-store.ts';
import { CodedError } from '../../activities/shared/errors/coded-error.ts';
import { createLiveRunReader } from '../../activities/pages/runs/live-run.ts';
import { createModelReader } from '../../activities/pages/models/read-models.ts';
import { listenOnLoopback, type LoopbackServer } from './listen-on-loopback.ts';

/** Only for this machine: a name that somebody else's DNS could point here is refused with its page. */
const loopbackHost = /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/i;

const noFraming = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** What every answer says beside its own: nobody may frame, guess at or remember it without asking. */
const headers = {
  // A page says the rest itself: it knows the hashes of its style and script.
  'content-security-policy': noFraming,
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
};

export interface PageServerOptions {
  home: string;
  /** Where the registry of models is. */
  store: ArtifactStore;
  port: number;
}

/** Shows runs and how they go, and models, to browsers of this machine. It only reads. */
export function startPageServer({ home, store, port }: PageServerOptions): Promise<LoopbackServer> {
  const places = { home, gather: createLiveRunReader(home), models: createModelReader(home, store) };
  const server = createServer((request, response) => {
    answer((path) => findPage(places, path), request, response).catch((error: unknown) => {
      console.error(error);
      if (response.headersSent) response.destroy();
      else if (error instanceof CodedError) refuse(response, 503, error.message);
      else refuse(response, 500, 'This could not be read. The log of the server says why.');
    });
  });
  return listenOnLoopback(server, port);
}

async function answer(
  find: (path: string) => Promise<Page | undefined>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!loopbackHost.test(request.headers.host ?? '')) {
    refuse(response, 421, 'These pages are for browsers of the machine that they are on.');
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    refuse(response, 405, 'There is nothing to change here.');
  } else {
    const [path = ''] = (request.url ?? '').split('?', 1);
    const page = await find(path);
    if (page === undefined) refuse(response, 404, 'There is no such page.');
    else send(page, request, response);
  }
}

function send(page: Page, request: IncomingMessage, response: ServerResponse): void {
  if ('movedTo' in page) {
    response.writeHead(308, { ...headers, location: page.movedTo }).end();
    return;
  }
  if ('missing' in page) return refuse(response, 404, page.missing);
  const etag = `"${createHash('sha256').update(page.body).digest('base64url')}"`;
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, { ...headers, etag }).end();
    return;
  }
  const length = Buffer.byteLength(page.body);
  const policy = page.isWhole ? {} : { 'content-security-policy': `default-src 'none'; sandbox; ${noFraming}` };
  response.writeHead(200, { ...headers, ...policy, etag, 'content-type': page.type, 'content-length': length });
  response.end(request.method === 'HEAD' ? undefined : page.body);
}

function refuse(response: ServerResponse, status: number, why: string): void {
  response.writeHead(status, { ...headers, 'content-type': 'text/plain; charset=utf-8' }).end(`${why}\n`);
}
