import { CodedError } from './coded-error.ts';
import { openConnection, type Connection } from './connection.ts';
import type { FileVersion } from './part-source.ts';
import { showUrl } from './show-url.ts';

const maxRedirects = 5;
const redirectStatuses = new Set([301, 302, 303, 307, 308]);
/** 4xx answers that pass by themselves: the request took too long, too many requests. */
const passingStatuses = new Set([408, 429]);

export interface RemoteRequest {
  readonly url: string;
  readonly fromByte: number;
  /** Ask for the range only if the file is still this version. */
  readonly ifRange: string | null;
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

export interface RemoteFile {
  /** Where the body begins: the byte asked for, or 0 when the server sends the whole file regardless. */
  readonly firstByte: number;
  readonly version: FileVersion;
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly close: () => void;
}

/** The server cannot go on from that byte; the whole file may still be had. */
export interface RangeRejected {
  readonly rejected: string;
}

/** Asks for a file from a byte on. Throws DownloadRefused, DownloadFailed or the reason of the signal. */
export const openRemoteFile = async (request: RemoteRequest): Promise<RemoteFile | RangeRejected> => {
  const connection = openConnection(request.url, request.stallMs, request.signal);
  try {
    const response = await followRedirects(request, connection);
    refuseWrongStatus(request, response);
    const range = readRange(request, response);
    if ('rejected' in range) {
      connection.close();
      return range;
    }
    refuseWrongContent(request, response);
    const { firstByte, bytes } = range;
    const version = { etag: response.headers.get('etag'), lastModified: response.headers.get('last-modified'), bytes };
    return { firstByte, version, chunks: readChunks(request, response, connection), close: connection.close };
  } catch (error) {
    connection.close();
    throw error;
  }
};

const followRedirects = async (request: RemoteRequest, connection: Connection): Promise<Response> => {
  let address = parseAddress(request.url, request.url, undefined);
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const sent = fetch(address, { redirect: 'manual', headers: headersOf(request), signal: connection.signal });
    const response = await connection.wait(sent);
    if (!redirectStatuses.has(response.status)) return response;
    await response.body?.cancel();
    address = parseAddress(request.url, response.headers.get('location') ?? '', address);
  }
  throw new CodedError('DownloadRefused', `${showUrl(request.url)} redirected more than ${maxRedirects} times.`);
};

const parseAddress = (url: string, next: string, base: URL | undefined): URL => {
  const address = next !== '' && URL.canParse(next, base?.href) ? new URL(next, base) : undefined;
  if (address && /^https?:$/.test(address.protocol) && address.username === '') return address;
  const why = base ? `was redirected by ${showUrl(base.href)} to` : 'is';
  throw new CodedError(
    'DownloadRefused',
    `${showUrl(url)} ${why} no http or https address without credentials: "${showUrl(next)}".`,
  );
};

/** `identity`: a body compressed on the way could neither be counted nor resumed. */
const headersOf = ({ fromByte, ifRange }: RemoteRequest): Record<string, string> => ({
  'accept-encoding': 'identity',
  ...(fromByte > 0 && { range: `bytes=${fromByte}-` }),
  ...(fromByte > 0 && ifRange !== null && { 'if-range': ifRange }),
});

const refuseWrongStatus = ({ url, fromByte }: RemoteRequest, { status }: Response): void => {
  if (status === 200 || (fromByte > 0 && (status === 206 || status === 416))) return;
  const code = status >= 500 || passingStatuses.has(status) ? 'DownloadFailed' : 'DownloadRefused';
  throw new CodedError(code, `${showUrl(url)} answered ${status}.`);
};

const refuseWrongContent = ({ url }: RemoteRequest, { headers }: Response): void => {
  const type = headers.get('content-type') ?? '';
  if (/^text\/html\b/i.test(type)) {
    throw new CodedError('DownloadRefused', `${showUrl(url)} sent a web page (${type}) instead of the file.`);
  }
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding !== 'identity') {
    throw new CodedError('DownloadRefused', `${showUrl(url)} sent the file encoded as ${encoding}.`);
  }
};

const readRange = (
  { fromByte }: RemoteRequest,
  { status, headers }: Response,
): { firstByte: number; bytes: number | null } | RangeRejected => {
  if (status === 200) return { firstByte: 0, bytes: parseCount(headers.get('content-length')) };
  if (status === 416) return { rejected: `answered 416 to a range from byte ${fromByte}` };
  const header = headers.get('content-range') ?? '';
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header) ?? [];
  if (first === undefined || Number(first) !== fromByte) {
    return { rejected: `answered "${header}" to a range from byte ${fromByte}` };
  }
  return { firstByte: fromByte, bytes: parseCount(total ?? null) };
};

const parseCount = (text: string | null): number | null => (text !== null && /^\d+$/.test(text) ? Number(text) : null);

async function* readChunks(
  { signal }: RemoteRequest,
  { body }: Response,
  connection: Connection,
): AsyncGenerator<Uint8Array> {
  const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = body?.getReader();
  if (reader === undefined) return;
  const read = () => connection.wait(reader.read());
  for (let next = await read(); !next.done; next = await read()) {
    signal.throwIfAborted();
    yield next.value;
  }
}
