/** Serves one folder on 127.0.0.1: `node infra/stack/file-server.ts --folder DIR --port N`. */
import { constants, realpathSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { serveOnLoopback, type LoopbackServer } from '../pages/serve-on-loopback.ts';

/** Matches files directly in the folder, without hidden ones. */
const servedName = /^\/([A-Za-z0-9][A-Za-z0-9._-]*)$/;

export const startFileServer = ({ folder, port }: { folder: string; port: number }): Promise<LoopbackServer> =>
  serveOnLoopback(
    (request, response) => {
      answer(folder, request, response).catch(() => response.destroy());
    },
    { port },
  );

const answer = async (folder: string, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
    return;
  }
  const [, name] = servedName.exec(request.url ?? '') ?? [];
  const file = name === undefined ? null : await openRegularFile(join(folder, name));
  if (file === null) {
    response.writeHead(404).end();
    return;
  }
  try {
    await sendFile(file, request, response);
  } finally {
    await file.close();
  }
};

const openRegularFile = async (path: string): Promise<FileHandle | null> => {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    if ((await file.stat()).isFile()) return file;
    await file.close();
    return null;
  } catch {
    return null;
  }
};

const sendFile = async (file: FileHandle, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const { size, mtimeNs, mtime } = await file.stat({ bigint: true });
  const bytes = Number(size);
  const etag = `"${size.toString(16)}-${mtimeNs.toString(16)}"`;
  const lastModified = mtime.toUTCString();
  response.setHeader('accept-ranges', 'bytes');
  response.setHeader('content-type', 'application/octet-stream');
  response.setHeader('etag', etag);
  response.setHeader('last-modified', lastModified);

  const ifRange = request.headers['if-range'];
  const acceptsRange =
    request.method === 'GET' && (ifRange === undefined || ifRange === etag || ifRange === lastModified);
  const range = acceptsRange ? parseRange(request.headers.range, bytes) : 'full';
  if (range === 'unsatisfiable') {
    response.writeHead(416, { 'content-range': `bytes */${bytes}` }).end();
    return;
  }
  const { first, last } = range === 'full' ? { first: 0, last: bytes - 1 } : range;
  response.setHeader('content-length', last - first + 1);
  if (range !== 'full') response.setHeader('content-range', `bytes ${first}-${last}/${bytes}`);
  response.writeHead(range === 'full' ? 200 : 206);
  if (request.method === 'HEAD' || last < first) {
    response.end();
    return;
  }
  await pipeline(file.createReadStream({ start: first, end: last, autoClose: false }), response);
};

interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** Parses a single byte range. Several ranges, other units and malformed values are ignored, as HTTP permits. */
const parseRange = (header: string | undefined, bytes: number): ByteRange | 'full' | 'unsatisfiable' => {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (from === undefined || to === undefined || from + to === '') return 'full';
  if (from === '')
    return Number(to) > 0 && bytes > 0 ? { first: Math.max(0, bytes - Number(to)), last: bytes - 1 } : 'unsatisfiable';
  if (to !== '' && Number(to) < Number(from)) return 'full';
  const last = to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1);
  return Number(from) < bytes ? { first: Number(from), last } : 'unsatisfiable';
};

const serveFromCommandLine = async (): Promise<void> => {
  const { values } = parseArgs({ options: { folder: { type: 'string' }, port: { type: 'string' } } });
  const { folder, port } = values;
  if (folder === undefined || port === undefined || !/^\d{1,5}$/.test(port)) {
    process.stderr.write('usage: node infra/stack/file-server.ts --folder DIR --port N (0 for any)\n');
    process.exitCode = 2;
    return;
  }
  const { url } = await startFileServer({ folder, port: Number(port) });
  process.stdout.write(`${url}\n`);
};

const program = process.argv[1];
if (program !== undefined && realpathSync(program) === import.meta.filename) await serveFromCommandLine();
