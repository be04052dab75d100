import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listenOnLoopback, type LoopbackServer } from './listen-on-loopback.ts';
import { hookPath } from '../../configs/names.ts';
import { listProblems } from '../../configs/parse-input.ts';
import { ModelName, Trigger } from '../../configs/schema/index.ts';
import type { RequestOutcome, RequestRetraining } from './request-retraining.ts';
import { readSmallBody } from './read-small-body.ts';

export interface HookServerOptions {
  port: number;
  token: string;
  ask: RequestRetraining;
  /** A line for each retraining that was asked for. */
  log: (line: string) => void;
}

interface HttpAnswer {
  readonly status: number;
  readonly body: { readonly workflowId: string } | { readonly error: string };
  readonly headers?: Record<string, string>;
}

/** Who asks, and why: more than both may be long is none of ours. */
const maxBodyBytes = 8 * 1024;
/** To send a request in; whoever is slower is cut off. */
const requestTimeoutMs = 10_000;
const retryAfterSeconds = '5';

const TriggerBody = Trigger.pick({ who: true, why: true }).partial().strict();
const defaults = { who: 'the hook', why: 'told over HTTP' };

/** Lets whoever knows the token ask for a retraining: `POST /hooks/retrain/<model>`. */
export function startHookServer({ port, token, ask, log: say }: HookServerOptions): Promise<LoopbackServer> {
  const expected = hash(token);
  const isKnown = (given: string) => timingSafeEqual(hash(given), expected);
  const server = createServer(
    { requestTimeout: requestTimeoutMs, connectionsCheckingInterval: 5_000 },
    (request, response) => {
      answer(request, isKnown, ask, say)
        .catch((error: unknown) => {
          console.error(error);
          return errorAnswer(500, 'This went wrong. The log of the hook says how.');
        })
        .then((given) => send(response, given))
        .catch(() => response.destroy());
    },
  );
  return listenOnLoopback(server, port);
}

/** Of the same length whatever was sent, as a comparison in constant time needs it. */
const hash = (text: string): Buffer => createHash('sha256').update(text).digest();

async function answer(
  request: IncomingMessage,
  isKnown: (token: string) => boolean,
  ask: RequestRetraining,
  say: (line: string) => void,
): Promise<HttpAnswer> {
  // Who does not know the token learns nothing else, not even which models there are.
  const [, given] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (given === undefined || !isKnown(given)) {
    const challenge = `Bearer realm="everswin"${given === undefined ? '' : ', error="invalid_token"'}`;
    return errorAnswer(401, 'Expected the header Authorization: Bearer TOKEN.', { 'www-authenticate': challenge });
  }
  const model = findModel(request.url ?? '');
  if (model === undefined) return errorAnswer(404, `There is only ${hookPath('MODEL')} here.`);
  if (request.method !== 'POST') return errorAnswer(405, 'Expected a POST.', { allow: 'POST' });
  const body = await readSmallBody(request, maxBodyBytes);
  if (body === undefined) return errorAnswer(413, `Expected a body of ${maxBodyBytes} bytes at most.`);
  const wish = parseBody(body.toString('utf8'));
  if (typeof wish === 'string') return errorAnswer(400, wish);
  const asked = await ask(model, { ...defaults, ...wish });
  say(`${model}: ${asked.how}`);
  return toAnswer(asked, model);
}

/** The path is as it was sent: nothing in it is decoded. */
function findModel(path: string): string | undefined {
  const model = ModelName.safeParse(path.slice(path.lastIndexOf('/') + 1));
  return model.success && path === hookPath(model.data) ? model.data : undefined;
}

/** @returns what to tell whoever sent it where it is not what it may be. No body at all says nothing, and that is enough. */
function parseBody(text: string): { who?: string; why?: string } | string {
  if (text.trim() === '') return {};
  try {
    const { data, error } = TriggerBody.safeParse(JSON.parse(text));
    if (error) return `Expected {"who": TEXT, "why": TEXT}, or nothing: ${listProblems(error).join('; ')}`;
    return { ...(data.who && { who: data.who }), ...(data.why && { why: data.why }) };
  } catch {
    return 'Expected {"who": TEXT, "why": TEXT} in JSON, or nothing.';
  }
}

function toAnswer(asked: RequestOutcome, model: string): HttpAnswer {
  switch (asked.how) {
    case 'triggered':
      return { status: 202, body: { workflowId: asked.workflowId } };
    case 'no schedule':
      return errorAnswer(
        404,
        `Nobody said how ${model} is trained: npm run schedule -- apply FILE (without --every and --cron it is trained only when it is told).`,
      );
    case 'refused':
      return errorAnswer(409, asked.why);
    case 'away':
      return errorAnswer(503, 'The Temporal server does not answer now. Try again.', {
        'retry-after': retryAfterSeconds,
      });
    default:
      return asked satisfies never;
  }
}

const errorAnswer = (status: number, error: string, headers: Record<string, string> = {}): HttpAnswer => ({
  status,
  body: { error },
  headers,
});

function send(response: ServerResponse, { status, body, headers }: HttpAnswer): void {
  const text = `${JSON.stringify(body)}\n`;
  const type = { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  response.writeHead(status, { ...type, ...headers, 'content-length': Buffer.byteLength(text) }).end(text);
}
