import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { ListPartsCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { ArtifactStore } from '../../../../activities/shared/store/artifact-store.ts';
import { sha256OfFile } from '../../../../activities/shared/files/atomic-file.ts';
import {
  isComplete,
  isGet,
  isListParts,
  isPart,
  isPut,
  onceAt,
  startFaultProxy,
  type Fault,
  type FaultProxy,
} from '../../../fixtures/fault-proxy.ts';
import { projectRoot } from '../../../helpers/project.ts';
import { startS3Server, type S3Server } from '../../../helpers/s3-server.ts';
import { until } from '../../../helpers/until.ts';

const mebibyte = 1024 * 1024;
/** Size of three parts. */
const largeBytes = 11 * mebibyte;
/** Secret key of the server, which no error may contain. */
let secret: string;
let folder: string;
let server: S3Server;
let proxy: FaultProxy;
let store: ArtifactStore;
let small: string;
let large: { path: string; sha256: string };

beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-faults-`);
  server = await startS3Server();
  secret = server.credentials.secretAccessKey;
  proxy = await startFaultProxy(server.endpoint);
  store = server.store('faults/', { endpoint: proxy.endpoint, stallMs: 700 });
  small = `${folder}/small`;
  await writeFile(small, randomBytes(100_000));
  const path = `${folder}/large`;
  await writeFile(path, randomBytes(largeBytes));
  large = { path, sha256: await sha256OfFile(path) };
});
afterAll(async () => {
  await proxy.close();
  await server.stop();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  proxy.plan(() => undefined);
  proxy.requests.length = 0;
});

const transient: Record<string, Fault> = {
  '503': { kind: 'status', status: 503, code: 'SlowDown' },
  '500': { kind: 'status', status: 500, code: 'InternalError' },
  '409': { kind: 'status', status: 409, code: 'OperationAborted' },
  'a reset': { kind: 'reset' },
  'a response that is lost after the write': { kind: 'drop-response' },
  'a request body that is corrupted in transit': { kind: 'corrupt-request' },
  'a server that does not respond': { kind: 'silence' },
  'a slow server': { kind: 'slow', ms: 300 },
};
const faults = Object.entries(transient);

test.each(faults)('put stores a small file intact despite %s', async (name, fault) => {
  proxy.plan(onceAt(1, isPut, fault));
  const key = `small/${faults.findIndex(([label]) => label === name)}`;
  const { sha256 } = await store.put(key, small);
  await store.get(key, `${folder}/back`);
  expect(await sha256OfFile(`${folder}/back`)).toBe(sha256);
  expect(sha256).toBe(await sha256OfFile(small));
});

test.each(faults)('put uploads only the affected part again after %s', async (_name, fault) => {
  proxy.plan(onceAt(2, isPart, fault));
  await store.put('large', large.path, { sha256: large.sha256 });
  expect(await store.head('large')).toEqual({ bytes: largeBytes, sha256: large.sha256 });
  expect(proxy.requests.filter(isPart)).toHaveLength(fault.kind === 'slow' ? 3 : 4);
});

test.each(faults.filter(([, { kind }]) => kind !== 'corrupt-request'))(
  'put completes an upload despite %s',
  async (_name, fault) => {
    proxy.plan(onceAt(1, isComplete, fault));
    await store.put('completed', large.path, { sha256: large.sha256 });
    await store.get('completed', `${folder}/back`);
    expect(await sha256OfFile(`${folder}/back`)).toBe(large.sha256);
  },
);

test.each(faults.filter(([, { kind }]) => kind !== 'corrupt-request'))(
  'replace succeeds for a single writer despite %s',
  async (_name, fault) => {
    const before = await store.read('pointer.json');
    proxy.plan(onceAt(1, isPut, fault));
    const body = JSON.stringify({ fault, before: before?.etag });
    const etag = await store.replace('pointer.json', body, { ifMatch: before?.etag ?? null });
    expect(await store.read('pointer.json')).toEqual({ body, etag });
  },
);

test('replace detects another writer although its response was lost', async () => {
  const etag = await store.replace('contested.json', 'ours', { ifMatch: null });
  await server.store('faults/').replace('contested.json', 'theirs', { ifMatch: etag });
  proxy.plan(onceAt(1, isPut, { kind: 'drop-response' }));
  const late = store.replace('contested.json', 'late', { ifMatch: etag });
  await expect(late).rejects.toMatchObject({ code: 'StoreConflict' });
  expect((await store.read('contested.json'))?.body).toBe('theirs');
});

describe('get', () => {
  beforeAll(() => server.store('faults/').put('to-fetch', large.path));

  test('resumes a truncated body and fetches nothing twice', async () => {
    const afterBytes = 3 * mebibyte;
    proxy.plan(onceAt(1, isGet, { kind: 'truncate-response', afterBytes }));
    let received = 0;
    await store.get('to-fetch', `${folder}/cut`, { onBytes: (bytes) => (received += bytes) });
    expect(await sha256OfFile(`${folder}/cut`)).toBe(large.sha256);
    expect(received).toBe(largeBytes);
    expect(proxy.requests.filter(isGet)[1]?.headers.range).toMatch(/^bytes=\d{5,}-$/);
  });

  test.each(faults.filter(([, { kind }]) => kind !== 'corrupt-request'))(
    'succeeds despite %s',
    async (_name, fault) => {
      proxy.plan(onceAt(1, isGet, fault));
      await store.get('to-fetch', `${folder}/survived`);
      expect(await sha256OfFile(`${folder}/survived`)).toBe(large.sha256);
    },
  );

  test('never returns corrupted bytes, in a complete or resumed body', async () => {
    const target = await mkdtemp(`${folder}/into-`);
    proxy.plan((request) => (isGet(request) ? { kind: 'corrupt-response' } : undefined));
    await expect(store.get('to-fetch', `${target}/a`)).rejects.toMatchObject({ code: 'StoreDamaged' });
    const cut: Fault = { kind: 'truncate-response', afterBytes: mebibyte };
    proxy.plan((request) => (request.headers.range === undefined ? cut : { kind: 'corrupt-response' }));
    await expect(store.get('to-fetch', `${target}/a`)).rejects.toMatchObject({ code: 'StoreDamaged' });
    expect(await readdir(target)).toEqual([]);
  });
});

test('put throws StoreUnavailable after all attempts, and StoreRefused at once', async () => {
  const at = (status: number, code: string) => proxy.plan(() => ({ kind: 'status', status, code }));
  at(503, 'SlowDown');
  await expect(store.put('away', small)).rejects.toMatchObject({ code: 'StoreUnavailable' });
  expect(proxy.requests).toHaveLength(6);
  at(403, 'AccessDenied');
  await expect(store.put('away', small)).rejects.toMatchObject({ code: 'StoreRefused' });
  expect(proxy.requests).toHaveLength(7);
});

test('no message, cause or stack of an error contains the secret', async () => {
  const texts: string[] = [];
  const collect = async (action: Promise<unknown>) => {
    const error: unknown = await action.catch((thrown: unknown) => thrown);
    if (error instanceof Error)
      texts.push(`${error.message} ${error.stack ?? ''} ${JSON.stringify(error)} ${String(error.cause)}`);
  };
  const unknownKey = server.store('x/', { credentials: { accessKeyId: 'stranger', secretAccessKey: secret } });
  const wrongSecret = server.store('x/', { credentials: { ...server.credentials, secretAccessKey: `${secret}x` } });
  for (const misconfigured of [unknownKey, wrongSecret]) {
    await collect(misconfigured.put('a', small));
    await collect(misconfigured.get('a', `${folder}/never`));
    await collect(misconfigured.replace('a', 'b', { ifMatch: null }));
    await collect(misconfigured.list(''));
    await collect(misconfigured.abortStaleUploads('', 0));
  }
  for (const status of [400, 403, 503]) {
    proxy.plan(() => ({ kind: 'status', status, code: 'Whatever' }));
    await collect(store.put('a', small));
  }
  expect(texts).toHaveLength(13);
  expect(texts.filter((text) => text.includes(secret))).toEqual([]);
});

const ChildResult = z.object({ sha256: z.string(), sent: z.number(), residentBytes: z.number() });
const childArgv = (key: string, path: string) => [
  ...[`${projectRoot}/test/fixtures/put-child.ts`],
  ...[`s3://${server.bucket}/children`, `${folder}/home`, key, path],
];
const childEnv = () => ({ PATH: '/usr/bin:/bin', ...server.env, AWS_ENDPOINT_URL_S3: proxy.endpoint });
const runChild = async (key: string, path: string) => {
  const { stdout } = await promisify(execFile)(process.execPath, childArgv(key, path), { env: childEnv() });
  return ChildResult.parse(JSON.parse(stdout));
};

test('put resumes an upload after kill -9 and sends no part twice', async () => {
  const path = `${folder}/killed`;
  await writeFile(path, randomBytes(5 * 16 * mebibyte));
  // The last two parts never get a response, so exactly three are uploaded when the process is killed.
  proxy.plan((request) =>
    isPart(request) && Number(request.query.get('partNumber')) >= 4 ? { kind: 'silence' } : undefined,
  );
  const child = spawn(process.execPath, childArgv('killed', path), { env: childEnv(), stdio: 'ignore' });
  await until(() => Promise.resolve(proxy.requests.filter(isPart).length === 5 ? true : undefined));
  child.kill('SIGKILL');
  await once(child, 'exit');
  await until(async () => ((await listUploadedParts()).length === 3 ? true : undefined));

  // AWS sends this marker with the last page too.
  const addMarker = (body: string): string =>
    body.includes('<NextPartNumberMarker>')
      ? body
      : body.replace('<IsTruncated>false', '<NextPartNumberMarker>0</NextPartNumberMarker><IsTruncated>false');
  proxy.plan((request) => (isListParts(request) ? { kind: 'edit-response', edit: addMarker } : undefined));
  proxy.requests.length = 0;
  const { sha256, sent } = await runChild('killed', path);
  expect(proxy.requests.filter(isListParts)).toHaveLength(1);
  const sentAfter = proxy.requests.filter(isPart).map(({ query }) => query.get('partNumber'));
  expect(sentAfter.sort()).toEqual(['4', '5']);
  expect(sent).toBe(2 * 16 * mebibyte);
  expect(await server.store('children/').get('killed', `${folder}/back`)).toMatchObject({ sha256 });
  expect(await readdir(`${folder}/home/uploads`)).toEqual([]);
  expect(await server.store('children/').abortStaleUploads('', 0)).toBe(0);
});

/** Lists the parts of the child's upload on the server. */
async function listUploadedParts(): Promise<number[]> {
  const [name = ''] = await readdir(`${folder}/home/uploads`);
  const { uploadId } = z
    .object({ uploadId: z.string() })
    .parse(JSON.parse(await readFile(`${folder}/home/uploads/${name}`, 'utf8')));
  const { endpoint, credentials } = server;
  const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  const upload = { Bucket: server.bucket, Key: 'children/killed', UploadId: uploadId };
  const { Parts = [] } = await client.send(new ListPartsCommand(upload));
  return Parts.map(({ PartNumber = 0 }) => PartNumber);
}

test('put starts a new upload after another process aborted it, and abortStaleUploads aborts old ones', async () => {
  const broken = server.store('left/', { endpoint: proxy.endpoint });
  proxy.plan((request) => (isComplete(request) ? { kind: 'status', status: 400, code: 'Broken' } : undefined));
  await expect(broken.put('a', large.path)).rejects.toMatchObject({ code: 'StoreRefused' });
  proxy.plan(() => undefined);
  expect(await broken.abortStaleUploads('', 60_000)).toBe(0);
  // Aborts the upload without its local state, as another machine would.
  const otherMachine = server.store('left/', { stateFolder: `${folder}/elsewhere` });
  expect(await otherMachine.abortStaleUploads('', 0)).toBe(1);
  await broken.put('a', large.path);
  expect(await broken.head('a')).toEqual({ bytes: largeBytes, sha256: large.sha256 });
});

test('put uploads a large file with less than 300 MB of memory', async () => {
  const path = `${folder}/sparse`;
  await writeFile(path, '');
  await truncate(path, 320 * mebibyte);
  // Bypasses the proxy, which would be slower than the server.
  const env = { ...childEnv(), ...server.env };
  const { stdout } = await promisify(execFile)(process.execPath, childArgv('sparse', path), { env });
  expect(ChildResult.parse(JSON.parse(stdout)).residentBytes).toBeLessThan(300e6);
});

test('put stops when its signal aborts', async () => {
  const stop = new AbortController();
  proxy.plan((request) => (isPart(request) ? { kind: 'silence' } : undefined));
  const put = store.put('stopped', large.path, { signal: stop.signal });
  await until(() => Promise.resolve(proxy.requests.some(isPart) ? true : undefined));
  stop.abort();
  await expect(put).rejects.toThrow(/aborted/i);
  await store.abortStaleUploads('stopped', 0);
});
