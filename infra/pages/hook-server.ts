import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { serveOnLoopback, type LoopbackServer } from './serve-on-loopback.ts';
import { hookPath } from '../../configs/names.ts';
import { listProblems } from '../../configs/parse-input.ts';
import { ModelName, Trigger } from '../../configs/schema/index.ts';
import type { RequestOutcome, RequestRetraining } from './request-retraining.ts';
import { readSmallBody } from './read-small-body.ts';

interface HookServerOptions {
  port: number;
  token: string;
  requestRetraining: RequestRetraining;
  /** Receives a log line for each request. */
  log: (line: string) => void;
}

interface HttpAnswer {
  readonly status: number;
  readonly body: { readonly workflowId: string } | { readonly error: string };
  readonly headers?: Record<string, string>;
}

/** Exceeds the longest valid `who` and `why`. */
const maxBodyBytes = 8 * 1024;
/** A complete request is small. */
const requestTimeout = 10_000;
const retryAfterSeconds = '5';

const TriggerBody = Trigger.pick({ who: true, why: true }).partial().strict();
const defaults = { who: 'the hook', why: 'HTTP request' };

/** Serves `POST /hooks/retrain/<model>`, which triggers a retraining, to callers that know the token. */
export function startHookServer({ port, token, requestRetraining, log }: HookServerOptions): Promise<LoopbackServer> {
  const expected = hash(token);
  const isKnown = (given: string) => timingSafeEqual(hash(given), expected);
  return serveOnLoopback(
    (request, response) => {
      answer(request, isKnown, requestRetraining, log)
        .catch((error: unknown) => {
          console.error(error);
          return errorAnswer(500, 'Internal error. The log of the hook has the details.');
        })
        .then((given) => send(response, given))
        .catch(() => response.destroy());
    },
    { port, limits: { requestTimeout } },
  );
}

/** Hashes to a fixed length, which a constant-time comparison needs. */
const hash = (text: string): Buffer => createHash('sha256').update(text).digest();

async function answer(
  request: IncomingMessage,
  isKnown: (token: string) => boolean,
  requestRetraining: RequestRetraining,
  log: (line: string) => void,
): Promise<HttpAnswer> {
  // The token is checked first, so that other callers learn nothing, not even which models exist.
  const [, given] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (given === undefined || !isKnown(given)) {
    const challenge = `Bearer realm="everswin"${given === undefined ? '' : ', error="invalid_token"'}`;
    return errorAnswer(401, 'Expected the header Authorization: Bearer TOKEN.', { 'www-authenticate': challenge });
  }
  const model = findModel(request.url ?? '');
  if (model === undefined) return errorAnswer(404, `Not found. The only path is ${hookPath('MODEL')}.`);
  if (request.method !== 'POST') return errorAnswer(405, 'Expected a POST.', { allow: 'POST' });
  const body = await readSmallBody(request, maxBodyBytes);
  if (body === undefined) return errorAnswer(413, `Expected a body of at most ${maxBodyBytes} bytes.`);
  const fields = parseBody(body.toString('utf8'));
  if (typeof fields === 'string') return errorAnswer(400, fields);
  const outcome = await requestRetraining(model, { ...defaults, ...fields });
  log(`${model}: ${outcome.how}`);
  return toAnswer(outcome, model);
}

/** Returns the model in a path, which is used as sent, without decoding. */
function findModel(path: string): string | undefined {
  const model = ModelName.safeParse(path.slice(path.lastIndexOf('/') + 1));
  return model.success && path === hookPath(model.data) ? model.data : undefined;
}

/** @returns the fields, or an error message. An empty body is valid. */
function parseBody(text: string): { who?: string; why?: string } | string {
  if (text.trim() === '') return {};
  try {
    const { data, error } = TriggerBody.safeParse(JSON.parse(text));
    if (error) return `Expected {"who": TEXT, "why": TEXT} or an empty body: ${listProblems(error).join('; ')}`;
    return { ...(data.who && { who: data.who }), ...(data.why && { why: data.why }) };
  } catch {
    return 'Expected {"who": TEXT, "why": TEXT} as JSON, or an empty body.';
  }
}

function toAnswer(outcome: RequestOutcome, model: string): HttpAnswer {
  switch (outcome.how) {
    case 'triggered':
      return { status: 202, body: { workflowId: outcome.workflowId } };
    case 'no schedule':
      return errorAnswer(
        404,
        `Model ${model} has no schedule, which defines its training. Create one: everswin schedule apply FILE. Without --every and --cron it trains only when triggered.`,
      );
    case 'refused':
      return errorAnswer(409, outcome.reason);
    case 'away':
      return errorAnswer(503, 'The Temporal server does not respond. Try again later.', {
        'retry-after': retryAfterSeconds,
      });
    default:
      return outcome satisfies never;
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
