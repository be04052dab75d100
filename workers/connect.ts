/** Connects to the Temporal server. No other module of the product does. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import { connectionError, explainConnectionError } from './connection-error.ts';
import { createDataConverter } from './payload-codec.ts';
import { probeServer, type Finding } from './probe-server.ts';
import type { TemporalServer } from './temporal-server.ts';

const timeoutMs = 5_000;
/** An overloaded machine answers the first request late. */
const answerMs = 15_000;
/** A server that answers later is probed for the cause, because the client reports none before its timeout. */
const probeAfterMs = 300;

/**
 * Connects a command.
 * @throws Error that names server, security and cause if the server does not answer or lacks the namespace.
 */
export async function connect(server: TemporalServer): Promise<Client> {
  const client = connectLazily(server);
  const connected = new AbortController();
  let finding: Finding | undefined;
  const probe = async () => {
    await sleep(probeAfterMs, undefined, { signal: connected.signal });
    finding = await probeServer(server);
    if (finding.how !== 'answers') throw new Error(finding.how);
    await client.connection.ensureConnected();
  };
  try {
    await Promise.race([client.connection.ensureConnected(), probe()]);
    const { namespace } = server;
    await client.withDeadline(Date.now() + answerMs, () => client.workflowService.describeNamespace({ namespace }));
    return client;
  } catch (error) {
    await client.connection.close();
    throw await explainConnectionError(server, error, finding);
  } finally {
    connected.abort();
  }
}

/** Returns a client that connects at its first request, and again after an outage. */
export function connectLazily({ namespace, keys, ...server }: TemporalServer): Client {
  const connection = Connection.lazy({ ...server, connectTimeout: timeoutMs });
  return new Client({ connection, namespace, dataConverter: createDataConverter(keys) });
}

/**
 * Connects a worker, after a connection like that of a command, which finds out why a server cannot be used.
 * @throws the error of `connect`.
 */
export async function connectWorker(server: TemporalServer): Promise<NativeConnection> {
  await (await connect(server)).connection.close();
  // Commands do without this package, which takes long to load.
  const { NativeConnection: Native } = await import('@temporalio/worker');
  try {
    return await Native.connect(server);
  } catch (error) {
    // Its TLS library is stricter, for example about a CA certificate that a server uses as its own.
    throw connectionError(
      server,
      `the client of the workers refuses it (${String(error)})`,
      'Check the certificates',
      error,
    );
  }
}
