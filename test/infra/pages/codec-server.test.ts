import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { defaultPayloadConverter } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startCodecServer } from '../../../infra/pages/codec-server.ts';
import type { LoopbackServer } from '../../../infra/pages/serve-on-loopback.ts';
import { parseEncryptionKeys } from '../../../workers/encryption-keys.ts';
import { createPayloadCodec } from '../../../workers/payload-codec.ts';

const token = 'the-token-of-this-test-and-of-no-other';
const ui = 'http://127.0.0.1:8233';
const newCodec = (id: string) =>
  createPayloadCodec(parseEncryptionKeys(`${id}:${randomBytes(32).toString('base64')}`, 'test'));
const codec = newCodec('k1');
const payload = { metadata: { encoding: base64('json/plain') }, data: base64('{"note":"canary"}') };

let server: LoopbackServer;
beforeAll(async () => {
  server = await startCodecServer({ port: 0, token, codec, origins: [ui] });
});
afterAll(() => server.close());

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${server.url}${path}`, { method: 'POST', body: JSON.stringify(body), headers });

interface CodecAnswer {
  payloads?: (typeof payload)[];
  error?: string;
}
const answerOf = async (response: Response) => (await response.json()) as CodecAnswer; // its own answers

test('the codec server encodes and decodes, with the token in the path or in the header', async () => {
  const encoded = await answerOf(await post(`/${token}/encode`, { payloads: [payload, payload] }));
  expect(encoded.payloads?.map(({ metadata }) => metadata.encoding)).toEqual(Array(2).fill(base64('binary/encrypted')));
  expect(JSON.stringify(encoded)).not.toContain(payload.data);
  const headers = { authorization: `Bearer ${token}`, 'x-namespace': 'default' };
  expect(await answerOf(await post('/decode', encoded, headers))).toEqual({ payloads: [payload, payload] });
  const ofUi = await post(`/${token}/decode?preserveStorageRefs=true`, encoded, { origin: ui });
  expect(await answerOf(ofUi)).toEqual({ payloads: [payload, payload] });
  expect(await answerOf(await post('/decode', { payloads: [payload] }, headers))).toEqual({ payloads: [payload] });
  expect(await answerOf(await post('/decode', { payloads: [] }, headers))).toEqual({ payloads: [] });
});

test.each([
  ['/decode', {}],
  [`/${token.slice(1)}/decode`, {}],
  [`/${token}x/decode`, {}],
  ['//decode', {}],
  ['/decode', { authorization: 'Bearer wrong' }],
  ['/decode', { authorization: token }],
  [`/decode?token=${token}`, {}],
  ['/anything', {}],
])('a caller without the token gets nothing (%s, %j)', async (path, headers) => {
  const response = await post(path, { payloads: [payload] }, headers);
  expect([response.status, Object.keys(await answerOf(response))]).toEqual([401, ['error']]);
});

test('only pages of the Temporal UI may call', async () => {
  const preflight = (origin: string) =>
    fetch(`${server.url}/${token}/decode`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-namespace' },
    });
  const allowed = await preflight(ui);
  expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([204, ui]);
  expect(allowed.headers.get('access-control-allow-headers')).toContain('x-namespace');
  const called = await post(`/${token}/decode`, { payloads: [payload] }, { origin: ui });
  expect([called.status, called.headers.get('access-control-allow-origin')]).toEqual([200, ui]);
  for (const origin of ['http://evil.example', 'null', `${ui}0`, 'https://127.0.0.1:8233', ui.toUpperCase()]) {
    const refused = await preflight(origin);
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([403, null]);
    expect((await post(`/${token}/decode`, { payloads: [payload] }, { origin })).status).toBe(403);
  }
});

test('the codec server refuses other host names, which DNS rebinding uses', async () => {
  const status = await new Promise((resolve, reject) => {
    const options = { method: 'POST', headers: { host: 'evil.example:8237' } };
    request(`${server.url}/${token}/decode`, options, (response) => resolve(response.resume().statusCode))
      .once('error', reject)
      .end('{"payloads":[]}');
  });
  expect(status).toBe(421);
});

test('a body that is no request, or too long, is refused', async () => {
  const send = (body: string | Uint8Array<ArrayBuffer>) =>
    fetch(`${server.url}/${token}/decode`, { method: 'POST', body });
  for (const body of ['', '{', '[]', '{}', '{"payloads":{}}', '{"payloads":[1]}', '{"payloads":[{"data":1}]}'])
    expect((await send(body)).status).toBe(400);
  expect((await send(Buffer.alloc(16 * 1024 * 1024 + 1))).status).toBe(413);
  expect((await fetch(`${server.url}/${token}/decode`)).status).toBe(405);
  expect((await fetch(`${server.url}/${token}/delete`)).status).toBe(401);
});

test('a payload of another key is refused with the id of the key', async () => {
  const encrypted = await newCodec('k9').encode([defaultPayloadConverter.toPayload('canary')]);
  const toText = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString('base64');
  const payloads = encrypted.map(({ metadata, data }) => ({
    metadata: { encoding: toText(metadata?.['encoding']), 'encryption-key-id': base64('k9') },
    data: toText(data),
  }));
  const response = await post(`/${token}/decode`, { payloads });
  expect([response.status, (await answerOf(response)).error]).toEqual([400, expect.stringContaining('key "k9"')]);
});
