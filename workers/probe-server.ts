import { connect as connectSocket, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { systemErrorCode } from '../activities/shared/errors/coded-error.ts';
import type { TemporalServer } from './temporal-server.ts';

/** How far a connection to a server comes, below gRPC. */
export type Finding =
  | { readonly how: 'answers' | 'unknown host' | 'refused' | 'not gRPC' | 'plain' | 'needs TLS' }
  | {
      readonly how: 'unreachable' | 'untrusted' | 'outdated' | 'rejected' | 'closed' | 'tls error';
      readonly code: string;
    }
  | { readonly how: 'other name'; readonly names: string };

const timeoutMs = 5_000;
const noAnswer = 'no answer within 5 s';
/** What every HTTP/2 client sends first, with empty settings. */
const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from('000000040000000000', 'hex'),
]);
const settingsFrame = 4;

/** Connects as a gRPC client does, and reports the first step that fails. gRPC libraries report only a timeout. */
export async function probeServer({ address, tls }: TemporalServer): Promise<Finding> {
  const socket = await openSocket(address);
  if ('how' in socket) return socket;
  if (tls) return probeTls(address, socket, typeof tls === 'object' ? tls : {});
  const answer = await exchange(socket);
  if (answer === 'http/2') return { how: 'answers' };
  if (answer === noAnswer) return { how: 'unreachable', code: answer };
  return { how: (await speaksTls(address)) ? 'needs TLS' : 'not gRPC' };
}

type TlsConfig = Exclude<TemporalServer['tls'], boolean | undefined>;

async function probeTls(address: string, socket: Socket, tls: TlsConfig): Promise<Finding> {
  const { clientCertPair, serverRootCACertificate, serverNameOverride } = tls;
  const secured = await handshake(socket, {
    ...serverName(serverNameOverride ?? hostOf(address)),
    ca: serverRootCACertificate && Buffer.from(serverRootCACertificate),
    cert: clientCertPair && Buffer.from(clientCertPair.crt),
    key: clientCertPair && Buffer.from(clientCertPair.key),
  });
  if (secured instanceof Error) return explainHandshake(address, secured);
  // With TLS 1.3, a server rejects the client certificate only after the handshake.
  const answer = await exchange(secured);
  if (answer === 'http/2') return { how: 'answers' };
  if (answer === 'other') return { how: 'not gRPC' };
  return { how: /ALERT/.test(answer) ? 'rejected' : 'closed', code: answer };
}

async function explainHandshake(address: string, error: Error): Promise<Finding> {
  const code = systemErrorCode(error) ?? error.message;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return { how: 'other name', names: error.message.replace(/^.*?\. /, '') };
  if (/EXPIRED|NOT_YET_VALID/.test(code)) return { how: 'outdated', code };
  if (/SELF_SIGNED|UNABLE_TO|SIGNATURE|CERT_|INVALID_CA/.test(code)) return { how: 'untrusted', code };
  if (/ALERT/.test(code)) return { how: 'rejected', code };
  const plain = await openSocket(address);
  if (!('how' in plain) && (await exchange(plain)) === 'http/2') return { how: 'plain' };
  return { how: 'tls error', code };
}

async function openSocket(address: string): Promise<Socket | Finding> {
  const socket = connectSocket({ host: hostOf(address), port: Number(address.slice(address.lastIndexOf(':') + 1)) });
  const error = await new Promise<Error | undefined>((resolve) => {
    socket.setTimeout(timeoutMs, () => resolve(new Error(noAnswer)));
    socket.once('connect', () => resolve(undefined));
    socket.once('error', resolve);
  });
  if (error === undefined) return socket;
  socket.destroy();
  const code = systemErrorCode(error) ?? error.message;
  if (/^(ENOTFOUND|EAI_)/.test(code)) return { how: 'unknown host' };
  return code === 'ECONNREFUSED' ? { how: 'refused' } : { how: 'unreachable', code };
}

function handshake(socket: Socket, options: ConnectionOptions): Promise<TLSSocket | Error> {
  return new Promise((resolve) => {
    const secured = connectTls({ ...options, socket, ALPNProtocols: ['h2'] });
    secured.setTimeout(timeoutMs, () => resolve(new Error(noAnswer)));
    secured.once('secureConnect', () => resolve(secured));
    secured.once('close', () => resolve(new Error('the server closed the connection')));
    secured.on('error', resolve);
  });
}

/** Returns whether a TLS server listens there, with any certificate. */
async function speaksTls(address: string): Promise<boolean> {
  const socket = await openSocket(address);
  if ('how' in socket) return false;
  const secured = await handshake(socket, { ...serverName(hostOf(address)), rejectUnauthorized: false });
  socket.destroy();
  return !(secured instanceof Error) || /ALERT/.test(systemErrorCode(secured) ?? '');
}

/** Sends the HTTP/2 preface. @returns what answers, or how the connection ended. */
function exchange(socket: Socket): Promise<string> {
  return new Promise<string>((resolve) => {
    socket.setTimeout(timeoutMs, () => resolve(noAnswer));
    socket.once('data', (data) => resolve(data[3] === settingsFrame && data[0] === 0 ? 'http/2' : 'other'));
    socket.once('error', (error) => resolve(systemErrorCode(error) ?? error.message));
    socket.once('close', () => resolve('connection closed'));
    socket.write(preface);
  }).finally(() => socket.destroy());
}

/** An IP address is compared with the certificate, but is no server name in TLS. */
const serverName = (host: string): ConnectionOptions => (isIP(host) === 0 ? { servername: host } : { host });

const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
