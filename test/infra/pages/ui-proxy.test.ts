/** The proxy in front of the UI of a real Temporal server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { request, type IncomingHttpHeaders } from 'node:http';
import { connect as openSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LoopbackServer } from '../../../infra/pages/serve-on-loopback.ts';
import { startUiProxy } from '../../../infra/pages/ui-proxy.ts';
import { findFreePorts } from '../../../infra/stack/free-port.ts';
import { SupervisedProcess } from '../../../infra/stack/supervised-process.ts';
import { chooseHiddenAddress, devServerArgv } from '../../../infra/stack/temporal-server.ts';
import { pinnedTemporal } from '../../helpers/project.ts';
import { until } from '../../helpers/until.ts';

let folder: string;
let temporal: SupervisedProcess;
let proxy: LoopbackServer;
let httpApi: URL;

beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-ui-`);
  const [port = 0, httpPort = 0] = await findFreePorts(2);
  const ui = await chooseHiddenAddress();
  const argv = [...devServerArgv({ port, ui }, `${folder}/temporal.db`), '--http-port', String(httpPort)];
  const spec = { executable: pinnedTemporal, argv, env: {}, logFile: `${folder}/server.log`, graceMs: 5_000 };
  temporal = new SupervisedProcess({ name: 'temporal-server', ...spec }, () => undefined);
  proxy = await startUiProxy({ port: 0, target: `http://${ui.host}:${ui.port}` });
  httpApi = new URL(`http://127.0.0.1:${httpPort}`);
  await until(async () => ((await ask('/api/v1/namespaces')).status === 200 ? true : undefined));
});

afterAll(async () => {
  await proxy.close();
  await temporal.stop();
  await rm(folder, { recursive: true });
});

interface Answer {
  status: number | undefined;
  body: string;
  headers: IncomingHttpHeaders;
}

interface Sent extends Record<string, string | undefined> {
  method?: string;
  body?: string;
}

/** Sends path and headers unchanged; fetch would normalize them. */
const ask = (path: string, { method, body, ...headers }: Sent = {}, to = new URL(proxy.url)): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { hostname, port, host } = to;
    const sent = request({ hostname, port, path, method, headers: { host, ...headers } }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode, body, headers: response.headers }), reject);
    });
    sent.on('error', reject).end(body);
  });

/** Starts a workflow as the UI does, with its CSRF token. */
async function startWorkflow(id: string, headers: Sent): Promise<Answer> {
  const [cookie = ''] = (await ask('/api/v1/settings')).headers['set-cookie'] ?? [];
  const [, token = ''] = /_csrf=(\w+)/.exec(cookie) ?? [];
  const body = JSON.stringify({ workflowType: { name: 'any' }, taskQueue: { name: 'none' } });
  const csrf = { cookie: `_csrf=${token}`, 'x-csrf-token': token, 'content-type': 'application/json' };
  return ask(`/api/v1/namespaces/default/workflows/${id}`, { method: 'POST', body, ...csrf, ...headers });
}

const exists = async (id: string) => (await ask(`/api/v1/namespaces/default/workflows/${id}`)).status === 200;

test('the UI is served, and its own requests start a workflow', async () => {
  const page = await ask('/namespaces/default/workflows');
  expect([page.status, page.headers['content-type']]).toEqual([200, expect.stringContaining('text/html')]);
  const host = 'localhost:9000'; // ssh -L 9000:localhost:8233
  const own = await startWorkflow('own', { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' });
  expect([own.status, own.body]).toEqual([200, expect.stringContaining('runId')]);
  expect(await exists('own')).toBe(true);
  const program = await startWorkflow('program', { 'transfer-encoding': 'chunked' });
  expect(program.status).toBe(200);
});

test.each([
  ['evil.example', 421],
  ['evil.example:8233', 421],
  ['localhost.evil.example', 421],
  ['127.0.0.1.evil.example', 421],
  ['evil.example@localhost', 421],
  ['0.0.0.0:8233', 421],
  ['localhost', 200],
  ['LocalHost:9000', 200],
  ['[::1]:8233', 200],
])('the proxy answers to the host name %j with %d', async (host, status) => {
  expect((await ask('/api/v1/namespaces', { host })).status).toBe(status);
});

const page = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
test.each<[string, number, Sent]>([
  ['another origin', 403, { origin: 'http://evil.example' }],
  ['a sandboxed page', 403, { origin: 'null' }],
  ['another port of this machine', 403, { origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-site' }],
  ['an image of another site', 403, { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'image' }],
  ['a frame of another site', 403, { ...page, 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe' }],
  ['a form of another site', 403, { ...page, method: 'POST', 'sec-fetch-site': 'cross-site' }],
  ['a link of another site', 200, { ...page, 'sec-fetch-site': 'cross-site' }],
  ['the address bar', 200, { ...page, 'sec-fetch-site': 'none' }],
  ['curl', 200, {}],
])('the proxy answers to %s with %d', async (_, status, headers) => {
  expect((await ask('/api/v1/namespaces', headers)).status).toBe(status);
});

test.each<[string, Sent]>([
  ['rebound', { host: 'evil.example' }],
  ['foreign', { origin: 'http://evil.example' }],
  ['sandboxed', { origin: 'null' }],
])('a %s page starts no workflow', async (id, headers) => {
  expect((await startWorkflow(id, headers)).status).toBeGreaterThanOrEqual(400);
  expect(await exists(id)).toBe(false);
});

test('the proxy refuses an absolute URL, a missing host name and a tunnel', async () => {
  expect((await ask('http://evil.example/api/v1/namespaces')).status).toBe(400);
  const raw = (lines: string) =>
    text(openSocket({ port: Number(new URL(proxy.url).port), host: '127.0.0.1' }).end(`${lines}\r\n\r\n`));
  expect(await raw('GET / HTTP/1.0')).toMatch(/^HTTP\/1\.1 421 /);
  expect(await raw('GET / HTTP/1.1')).toMatch(/^HTTP\/1\.1 400 /);
  expect(await raw('GET / HTTP/1.1\r\nHost:')).toMatch(/^HTTP\/1\.1 421 /);
  expect(await raw('CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: localhost')).toBe('');
});

test('the HTTP API of the server accepts no request', async () => {
  for (const host of ['evil.example', httpApi.host, 'localhost'])
    expect((await ask('/api/v1/namespaces', { host }, httpApi)).status).toBe(403);
});

test('the proxy survives clients that leave, and says when the UI is down', async () => {
  for (let client = 0; client < 30; client += 1)
    request(`${proxy.url}/api/v1/namespaces`, { method: 'POST', headers: { 'content-length': 9 } })
      .on('error', () => undefined)
      .on('socket', (socket) => setTimeout(() => socket.destroy(), client))
      .write('partial');
  const down = await startUiProxy({ port: 0, target: 'http://127.0.0.1:1' });
  expect(await ask('/', {}, new URL(down.url))).toMatchObject({
    status: 502,
    body: 'The Temporal UI does not respond. It starts with the Temporal server: try again soon.\n',
  });
  await down.close();
  expect((await ask('/api/v1/namespaces')).status).toBe(200);
});
