import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PayloadCodec } from '@temporalio/common';
import { z } from 'zod';
import { findForeignHost, type Refusal } from './find-foreign-request.ts';
import { readSmallBody } from './read-small-body.ts';
import { serveOnLoopback, type LoopbackServer } from './serve-on-loopback.ts';

interface CodecServerOptions {
  port: number;
  /** Knowing it is the permission to decrypt. */
  token: string;
  codec: PayloadCodec;
  /** Pages of these origins may call: the Temporal UI. */
  origins: readonly string[];
}

/** Temporal answers with at most 4 MiB at a time, which base64 lengthens. */
const maxBodyBytes = 16 * 1024 * 1024;

const Bytes = z.string().transform((text) => Buffer.from(text, 'base64'));
/** Payloads in the JSON form of protobuf. */
const CodecBody = z.object({
  payloads: z.array(z.object({ metadata: z.record(z.string(), Bytes).nullish(), data: Bytes.nullish() })),
});

/**
 * Serves the codec to the Temporal UI and CLI of this machine, as Temporal specifies: POST /encode and POST /decode. The
 * token is in the header Authorization, or in the path, because the UI sends no header of its own: /TOKEN/decode.
 */
export function startCodecServer({ port, token, codec, origins }: CodecServerOptions): Promise<LoopbackServer> {
  const expected = hash(token);
  const isKnown = (given: string) => timingSafeEqual(hash(given), expected);
  return serveOnLoopback(
    (request, response) => {
      const refusal = findForeignHost(request) ?? findForeignOrigin(request, origins);
      if (refusal !== undefined) return send(response, refusal.status, { error: refusal.message });
      allowOrigin(request, response);
      if (request.method === 'OPTIONS') return void response.writeHead(204).end();
      answer(request, response, { codec, isKnown })
        .catch(() => ({ status: 500, body: { error: 'Internal error.' } })) // its message might quote a payload
        .then(({ status, body }) => send(response, status, body))
        .catch(() => response.destroy());
    },
    { port },
  );
}

/** Hashes to a fixed length, which a constant-time comparison needs. */
const hash = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Browsers send the origin of the page; the CLI sends none. */
function findForeignOrigin({ headers: { origin } }: IncomingMessage, origins: readonly string[]): Refusal | undefined {
  if (origin === undefined || origins.includes(origin)) return undefined;
  const allowed = origins.length === 0 ? 'No page may call it' : `Only ${origins.join(' and ')} may call it`;
  return { status: 403, message: `${allowed}. To allow the Temporal UI at another address: everswin codec --ui URL` };
}

/** Lets the page read the answer (CORS). */
function allowOrigin({ headers: { origin } }: IncomingMessage, response: ServerResponse): void {
  if (origin === undefined) return;
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-allow-methods', 'POST, OPTIONS');
  response.setHeader('access-control-allow-headers', 'authorization, content-type, x-namespace');
  response.setHeader('vary', 'origin');
}

interface Answer {
  status: number;
  body: object;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { codec, isKnown }: { codec: PayloadCodec; isKnown: (token: string) => boolean },
): Promise<Answer> {
  // The UI adds `?preserveStorageRefs=true`.
  const [, inPath, action] = /^(?:\/([^/?]+))?\/(encode|decode)(?:\?|$)/.exec(request.url ?? '') ?? [];
  const [, inHeader] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  // First, so that callers without the token learn nothing.
  if (![inPath, inHeader].some((given) => given !== undefined && isKnown(given)))
    return refuse(
      401,
      'Expected the token of this codec server: /TOKEN/decode, or the header Authorization: Bearer TOKEN.',
    );
  if (action !== 'encode' && action !== 'decode') return refuse(404, 'Not found. The paths are /encode and /decode.');
  if (request.method !== 'POST') {
    response.setHeader('allow', 'POST, OPTIONS');
    return refuse(405, 'Expected a POST.');
  }
  const body = await readSmallBody(request, maxBodyBytes);
  if (body === undefined) return refuse(413, `Expected a body of at most ${maxBodyBytes} bytes.`);
  const payloads = parseBody(body);
  if (payloads === undefined) return refuse(400, 'Expected {"payloads": […]} as JSON.');
  try {
    return { status: 200, body: { payloads: (await codec[action](payloads)).map(toJson) } };
  } catch (error) {
    return refuse(400, error instanceof Error ? error.message : String(error));
  }
}

function parseBody(body: Buffer): z.infer<typeof CodecBody>['payloads'] | undefined {
  try {
    return CodecBody.safeParse(JSON.parse(body.toString('utf8'))).data?.payloads;
  } catch {
    return undefined;
  }
}

const toBase64 = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString('base64');

const toJson = ({
  metadata,
  data,
}: {
  metadata?: Record<string, Uint8Array> | null;
  data?: Uint8Array | null;
}): object => ({
  metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name, toBase64(value)])),
  data: toBase64(data),
});

const refuse = (status: number, error: string): Answer => ({ status, body: { error } });

function send(response: ServerResponse, status: number, body: object): void {
  const headers = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  };
  response.writeHead(status, headers).end(`${JSON.stringify(body)}\n`);
}
