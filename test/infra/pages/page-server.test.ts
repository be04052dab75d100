import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { localStore } from '../../../activities/shared/store/local-store.ts';
import type { LoopbackServer } from '../../../infra/pages/serve-on-loopback.ts';
import { homeFolders, runFolder } from '../../../configs/paths.ts';
import { startPageServer } from '../../../infra/pages/page-server.ts';
import { hostileTexts } from '../../fixtures/hostile-texts.ts';
import { sampleEvents } from '../../fixtures/sample-report.ts';

let home: string;
let server: LoopbackServer;

beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-pages-`);
  const run = runFolder(home, 'good');
  const changing = runFolder(home, 'changing');
  for (const folder of [
    run.train.dir,
    run.report,
    changing.train.dir,
    changing.report,
    `${home}/runs/.hidden/report`,
    `${home}/secret/report`,
  ])
    await mkdir(folder, { recursive: true });
  const lines = sampleEvents().map((event) => `${JSON.stringify(event)}\n`);
  for (const { train } of [run, changing]) await writeFile(train.progress, lines.join(''));
  for (const [name, content] of Object.entries({
    'analysis.json': '{"a":1}',
    'report.md': '# ok',
    'notes.txt': 'secret',
  }))
    await writeFile(`${run.report}/${name}`, content);
  for (const folder of ['.hidden', '../secret']) await writeFile(`${home}/runs/${folder}/report/report.json`, 'secret');
  await symlink(`${home}/secret`, `${home}/runs/linked`);
  await symlink(`${home}/secret/report/report.json`, `${run.report}/bootstrap.json`);
  await mkdir(runFolder(home, 'pipe').report, { recursive: true });
  execFileSync('mkfifo', [`${runFolder(home, 'pipe').report}/report.md`]);
  server = await startPageServer({ home, store: localStore(homeFolders(home).store), port: 0 });
});

afterAll(async () => {
  await server.close();
  await rm(home, { recursive: true });
});

interface Answer {
  status: number | undefined;
  body: string;
  headers: IncomingMessage['headers'];
}

/** Sends path and headers unchanged; fetch would normalize them. */
const ask = (path: string, { method = 'GET', ...headers }: Record<string, string> = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { hostname, port, host } = new URL(server.url);
    // A new connection each: a busy machine may reuse one just when the server closes it for idleness.
    const sent = request({ hostname, port, path, method, headers: { host, ...headers }, agent: false }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode, body, headers: response.headers }), reject);
    });
    sent.on('error', reject).end();
  });

test('the run list links to each run and to the models only', async () => {
  const { status, body } = await ask('/');
  expect(status).toBe(200);
  expect([...body.matchAll(/href="(\/[^"]*)"/g)].map(([, link]) => link).sort()).toEqual([
    '/',
    '/models',
    '/runs/changing/',
    '/runs/good/',
    '/runs/pipe/',
  ]);
});

test('a run without trailing slash redirects to its page', async () => {
  expect(await ask('/runs/good')).toMatchObject({ status: 308, headers: { location: '/runs/good/' } });
});

test('report files have their content type and cannot run scripts', async () => {
  const shown = async (path: string) => {
    const { status, body, headers } = await ask(path);
    return [status, body, headers['content-type'], headers['x-content-type-options']];
  };
  expect(await shown('/runs/good/analysis.json')).toEqual([200, '{"a":1}', 'application/json', 'nosniff']);
  expect(await shown('/runs/good/report.md')).toEqual([200, '# ok', 'text/plain; charset=utf-8', 'nosniff']);
});

test('the report replaces the live page until the run trains again', async () => {
  const { report, train } = runFolder(home, 'changing');
  const last = sampleEvents().at(-1)?.t ?? 0;
  await writeFile(`${report}/index.html`, 'the report');
  expect((await ask('/runs/changing/')).body).toContain('id="live"');
  await writeFile(`${report}/report.json`, JSON.stringify({ createdAt: last + 10 }));
  expect((await ask('/runs/changing/')).body).toBe('the report');
  expect((await ask('/runs/changing/live')).body).toContain('Open the report');
  await utimes(`${report}/report.json`, 1, 1); // file times are unreliable after a copy
  expect((await ask('/runs/changing/')).body).toBe('the report');
  const again = { v: 1, type: 'warning', t: last + 20, attempt: 9, message: 'again' };
  await writeFile(train.progress, `${JSON.stringify(again)}\n`, { flag: 'a' });
  expect((await ask('/runs/changing/')).body).toContain('id="live"');
});

test('only pages that update themselves may send requests, and only to their own server', async () => {
  const policyOf = async (path: string) =>
    /Content-Security-Policy" content="([^"]*)"/.exec((await ask(path)).body)?.[1];
  expect(await policyOf('/runs/good/')).toMatch(/^default-src &#39;none&#39;.*; connect-src &#39;self&#39;; base-uri/);
  expect(await policyOf('/')).toMatch(
    /; connect-src &#39;self&#39;; base-uri &#39;none&#39;; form-action &#39;self&#39;$/,
  );
  expect(await policyOf('/models')).not.toMatch(/connect-src|form-action &#39;self&#39;/);
  for (const path of ['/', '/runs/good/', '/runs/good/live'])
    expect((await ask(path)).headers['content-security-policy']).toContain("frame-ancestors 'none'");
  for (const path of ['/runs/good/live', '/runs/good/analysis.json'])
    expect((await ask(path)).headers['content-security-policy']).toContain("default-src 'none'; sandbox");
});

describe('the page server returns 404 for', () => {
  const names = [
    '..',
    '.',
    '.hidden',
    '%2e%2e',
    '..%2fsecret',
    'good%00',
    'GOOD',
    'linked',
    'a..b',
    '-x',
    'good;x',
    '',
    'x'.repeat(64),
  ];
  const runs = [...names, 'constructor', '__proto__', '../secret', '..\\secret'].map(
    (name) => `/runs/${name}/report.json`,
  );
  const files = [
    'notes.txt',
    'bootstrap.json',
    '..',
    '.',
    '../plan.json',
    '%2e%2e/plan.json',
    'report.json%00.md',
    'live/',
    'report.md/',
  ];
  const others = [
    '/runs',
    '/runs/',
    '//runs/good/',
    '/../secret/report/report.json',
    '/stack/stack.json',
    '/runs/good//live',
    '/models/..',
    '/models/../secret',
    '/models/%2e%2e',
    '//models',
    '*',
  ];
  const absolute = ['http://evil.example/runs/good/', 'file:///etc/passwd'];
  test.each([...runs, ...files.map((name) => `/runs/good/${name}`), '/runs/pipe/report.md', ...others, ...absolute])(
    '%s',
    async (path) => {
      const { status, body } = await ask(path);
      expect(status).toBe(404);
      expect(body).not.toContain('secret');
    },
  );
});

test.each([
  'evil.example',
  'evil.example:8235',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  '0.0.0.0',
  'localhost:x',
])('the page server refuses the host name %s', async (host) => {
  expect((await ask('/', { host })).status).toBe(421);
});

test.each(['localhost', 'localhost:9000', '127.0.0.1', '[::1]:8235', 'LOCALHOST'])(
  'the page server accepts the host name %s',
  async (host) => {
    expect((await ask('/', { host })).status).toBe(200);
  },
);

test.each<Record<string, string>>([
  { origin: 'http://evil.example' },
  { origin: 'null' },
  { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
])('the page server refuses a request of another site: %j', async (headers) => {
  expect((await ask('/', headers)).status).toBe(403);
});

test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'])('the page server refuses %s', async (method) => {
  expect(await ask('/runs/good/', { method })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
});

test('HEAD returns the same headers without a body', async () => {
  const full = await ask('/runs/good/');
  const head = await ask('/runs/good/', { method: 'HEAD' });
  expect([head.status, head.body, head.headers.etag]).toEqual([200, '', full.headers.etag]);
});

test('the live page escapes texts of the trainer', async () => {
  const { train } = runFolder(home, 'changing');
  const [first] = sampleEvents();
  const lines = hostileTexts.map((resumedFrom) => JSON.stringify({ ...first, resumedFrom }));
  await writeFile(train.progress, `${lines.join('\n')}\n`);
  const { body } = await ask('/runs/changing/live');
  expect(body).not.toMatch(/<(script|img|iframe|style|form|meta|base)\b|\son\w+="/i);
  expect([...body.matchAll(/<a [^>]*>/g)].map(String)).toEqual(['<a href="index.html">']);
  expect(body.match(/Resumed/g)?.length).toBeGreaterThanOrEqual(hostileTexts.length);
});
