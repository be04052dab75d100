import { isGrpcServiceError } from '@temporalio/client';
import { probeServer, type Finding } from './probe-server.ts';
import { formatSecurity, type TemporalServer } from './temporal-server.ts';

/** What prevents a connection, and what to change. */
interface Cause {
  cause: string;
  remedy: string;
}

/** Status codes of gRPC. */
export const grpcCodes = {
  invalidArgument: 3,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  unimplemented: 12,
  unauthenticated: 16,
} as const;

/** Returns the error of a failed connection, which names the server, the security of the connection, and the cause. */
export function connectionError(server: TemporalServer, cause: string, remedy: string, error: unknown): Error {
  const name = `Temporal at ${server.address}, namespace ${server.namespace}, ${formatSecurity(server)}`;
  return new Error(`Cannot connect to ${name}: ${cause}. ${remedy}.`, { cause: error });
}

/**
 * Returns the error of a failed connection from the answer of the server, else from what a probe of it finds.
 * @param finding of an earlier probe.
 */
export async function explainConnectionError(
  server: TemporalServer,
  error: unknown,
  finding: Finding | undefined,
): Promise<Error> {
  const { cause, remedy } =
    explainStatus(server, error) ?? explainFinding(server, finding ?? (await probeServer(server)), error);
  return connectionError(server, cause, remedy, error);
}

/** Explains the answer of a server that could be reached; undefined if none answered. */
function explainStatus({ namespace, apiKey }: TemporalServer, error: unknown): Cause | undefined {
  const status = findGrpcStatus(error);
  if (status === undefined) return undefined;
  const { code, details } = status;
  switch (code) {
    case grpcCodes.notFound:
      return {
        cause: `the namespace ${namespace} does not exist`,
        remedy: 'Check TEMPORAL_NAMESPACE, or create it: everswin namespace prepare --create',
      };
    case grpcCodes.permissionDenied:
    case grpcCodes.unauthenticated:
      return {
        cause: `the server refuses ${apiKey === undefined ? 'a client without an API key' : 'this API key'} (${details})`,
        remedy: `Set TEMPORAL_API_KEY to a valid key with access to the namespace ${namespace}`,
      };
    case grpcCodes.unimplemented:
      return { cause: `it is not a Temporal server (${details})`, remedy: 'Check the address' };
    default:
      return undefined;
  }
}

/** Returns the gRPC status of an error or of its causes. */
export function findGrpcStatus(error: unknown): { code: number; details: string } | undefined {
  if (isGrpcServiceError(error)) return error;
  return error instanceof Error ? findGrpcStatus(error.cause) : undefined;
}

function explainFinding({ address, tls }: TemporalServer, finding: Finding, error: unknown): Cause {
  const { serverRootCACertificate: ca, clientCertPair, serverNameOverride } = typeof tls === 'object' ? tls : {};
  const host = serverNameOverride ?? address.replace(/:\d+$/, '');
  const checkAddress = 'Check the address, the network and that the server runs';
  switch (finding.how) {
    case 'unknown host':
      return { cause: 'its name cannot be resolved', remedy: checkAddress };
    case 'unreachable':
      return { cause: `the host does not answer (${finding.code})`, remedy: checkAddress };
    case 'refused':
      return { cause: 'nothing listens at this port (ECONNREFUSED)', remedy: checkAddress };
    case 'not gRPC':
      return { cause: 'the server there does not speak gRPC', remedy: 'Check the port: the UI has another one' };
    case 'plain':
      return { cause: 'the client speaks TLS, the server does not', remedy: 'Set TEMPORAL_TLS=false' };
    case 'needs TLS':
      return {
        cause: 'the server speaks TLS, the client does not',
        remedy: 'Set TEMPORAL_TLS=true; a private CA needs TEMPORAL_TLS_SERVER_CA_CERT_PATH',
      };
    case 'untrusted':
      return {
        cause: `the certificate of the server is signed by no CA ${ca === undefined ? 'of this system' : 'of TEMPORAL_TLS_SERVER_CA_CERT_PATH'} (${finding.code})`,
        remedy: "Set TEMPORAL_TLS_SERVER_CA_CERT_PATH to the certificate of the server's CA",
      };
    case 'outdated':
      return {
        cause: `the certificate of the server is not valid now (${finding.code})`,
        remedy: 'Renew the certificate of the server, and check the clock of this machine',
      };
    case 'other name':
      return {
        cause: `the certificate of the server is not for ${host} (${finding.names})`,
        remedy: 'Use a name of the certificate as address, or set TEMPORAL_TLS_SERVER_NAME to it',
      };
    case 'rejected':
    case 'closed': {
      const rejection =
        clientCertPair === undefined
          ? 'demands a client certificate, and the client has none'
          : 'rejects the client certificate';
      return {
        // Some servers reject a certificate without a TLS alert, and a proxy closes the same way if its server is down.
        cause:
          finding.how === 'rejected'
            ? `the server ${rejection} (${finding.code})`
            : `the server closed the connection after the TLS handshake (${finding.code}). It ${rejection}, or it is a proxy whose Temporal server is down`,
        remedy:
          clientCertPair === undefined
            ? 'Set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH'
            : 'Use a certificate that a CA of the server has signed, in TEMPORAL_TLS_CLIENT_CERT_PATH',
      };
    }
    case 'tls error':
      return { cause: `the TLS handshake failed (${finding.code})`, remedy: 'Check the TLS settings of both sides' };
    case 'answers': // the network and TLS work
      return {
        cause: `the server does not answer requests (${deepestMessage(error)})`,
        remedy: 'Try again in a minute',
      };
    default:
      return finding satisfies never;
  }
}

function deepestMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : deepestMessage(error.cause);
}
