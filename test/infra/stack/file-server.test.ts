import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LoopbackServer } from '../../../infra/pages/serve-on-loopback.ts';
import { startFileServer } from '../../../infra/stack/file-server.ts';

const content = randomBytes(200_000);
const program = join(import.meta.dirname, '../../../infra/stack/file-server.ts');

let parent: string;
let folder: string;
let server: LoopbackServer;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'file-server-'));
  folder = join(parent, 'served');
  await mkdir(join(folder, 'inner'), { recursive: true });
  await writeFile(join(folder, 'data.zip'), content);
  await writeFile(join(folder, 'empty.bin'), '');
  await writeFile(join(folder, '.hidden'), 'secret');
  await writeFile(join(folder, 'inner', 'deep.txt'), 'secret');
  await writeFile(join(parent, 'outside.txt'), 'secret');
  await symlink(join(parent, 'outside.txt'), join(folder, 'link.txt'));
  server = await startFileServer({ folder, port: 0 });
});

afterEach(async () => {
  await server.close();
  await rm(parent, { recursive: true });
});

const get = (path: string, headers: Record<string, string>): Promise<Response> => fetch(server.url + path, { headers });
const bodyOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

/** Sends the path unchanged; fetch would normalize /../x. */
const statusOfRawPath = (path: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const answered = (response: IncomingMessage): void => {
      response.resume();
      resolve(response.statusCode);
    };
    request(server.url, { path }, answered).on('error', reject).end();
  });

describe('the file server', () => {
  it('serves a complete file with the headers that a resume needs', async () => {
    const response = await get('/data.zip', {});
    expect(response.status).toBe(200);
    const header = (name: string): string | null => response.headers.get(name);
    expect(['accept-ranges', 'content-length', 'content-type'].map(header)).toEqual([
      'bytes',
      '200000',
      'application/octet-stream',
    ]);
    expect(header('etag')).toMatch(/^"[0-9a-f]+-[0-9a-f]+"$/);
    expect(header('last-modified')).toMatch(/ GMT$/);
    expect(content.equals(await bodyOf(response))).toBe(true);
  });

  it('answers HEAD like GET, without the body', async () => {
    const [head, full] = [await fetch(`${server.url}/data.zip`, { method: 'HEAD' }), await get('/data.zip', {})];
    expect(head.headers.get('etag')).toBe(full.headers.get('etag'));
    expect(head.headers.get('content-length')).toBe('200000');
    expect(await bodyOf(head)).toHaveLength(0);
  });

  it('serves an empty file', async () => {
    const response = await get('/empty.bin', {});
    expect(response.headers.get('content-length')).toBe('0');
    expect(await bodyOf(response)).toHaveLength(0);
  });

  it.each([
    ['bytes=1000-', 1000, 199_999],
    ['bytes=0-0', 0, 0],
    ['bytes=100-199', 100, 199],
    ['bytes=199999-999999999', 199_999, 199_999],
    ['bytes=-10', 199_990, 199_999],
    ['bytes=-999999999', 0, 199_999],
  ])('serves the range %s', async (range, first, last) => {
    const response = await get('/data.zip', { range });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(`bytes ${first}-${last}/200000`);
    expect(content.subarray(first, last + 1).equals(await bodyOf(response))).toBe(true);
  });

  it.each(['bytes=200000-', 'bytes=-0'])('refuses the range %s', async (range) => {
    const response = await get('/data.zip', { range });
    expect(response.status).toBe(416);
    expect(response.headers.get('content-range')).toBe('bytes */200000');
  });

  it.each(['bytes=', 'bytes=-', 'bytes=5-1', 'bytes=0-1,5-6', 'lines=0-1'])('ignores the range %s', async (range) => {
    expect((await bodyOf(await get('/data.zip', { range }))).length).toBe(200_000);
  });

  it('serves a range only if If-Range matches the current file', async () => {
    const { headers } = await get('/data.zip', {});
    const range = 'bytes=1000-';
    for (const ifRange of [headers.get('etag') ?? '', headers.get('last-modified') ?? '']) {
      expect((await get('/data.zip', { range, 'if-range': ifRange })).status).toBe(206);
    }
    await writeFile(join(folder, 'data.zip'), randomBytes(200_000));
    const changed = await get('/data.zip', { range, 'if-range': headers.get('etag') ?? '' });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(headers.get('etag'));
  });

  it.each([
    '/',
    '/none.zip',
    '/inner',
    '/inner/deep.txt',
    '/.hidden',
    '/link.txt',
    '/../outside.txt',
    '/..%2foutside.txt',
    '/%2e%2e/outside.txt',
    '/data.zip/',
    '/data.zip?x=1',
  ])('answers 404 at %s', async (path) => {
    expect(await statusOfRawPath(path)).toBe(404);
  });

  it('rejects PUT', async () => {
    const response = await fetch(`${server.url}/data.zip`, { method: 'PUT', body: 'x' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
  });

  it('listens on 127.0.0.1 only and fails when the port is in use', async () => {
    const { hostname, port } = new URL(server.url);
    expect(hostname).toBe('127.0.0.1');
    await expect(startFileServer({ folder, port: Number(port) })).rejects.toHaveProperty('code', 'EADDRINUSE');
  });

  it('keeps running when a client disconnects', async () => {
    const controller = new AbortController();
    const response = await fetch(`${server.url}/data.zip`, { signal: controller.signal });
    controller.abort();
    await expect(response.arrayBuffer()).rejects.toThrow();
    expect((await get('/data.zip', {})).status).toBe(200);
  });
});

describe('the file server as a program', () => {
  const start = (argv: string[]) => spawn(process.execPath, [program, ...argv]);

  it('prints its URL and serves until SIGTERM', async () => {
    const child = start(['--folder', folder, '--port', '0']);
    const url = String((await once(child.stdout, 'data'))[0]).trim();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(content.equals(await bodyOf(await fetch(`${url}/data.zip`)))).toBe(true);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([null, 'SIGTERM']);
  });

  it.each([[[]], [['--folder', 'x']], [['--folder', 'x', '--port', 'y']]])('prints its usage for %j', async (argv) => {
    const child = start(argv);
    const stderr = text(child.stderr);
    expect(await once(child, 'exit')).toEqual([2, null]);
    expect(await stderr).toContain('usage:');
  });
});
