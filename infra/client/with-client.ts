import type { Client } from '@temporalio/client';
import { connect } from '../../workers/connect.ts';
import { requireKeys } from '../../workers/require-keys.ts';
import { formatError } from '../terminal/format-error.ts';
import { findServer, formatServer, type FoundServer } from './find-server.ts';

/**
 * Connects to the server of the command (`findServer`), and names it on stderr. Closes the client after `use`.
 * @throws Error when there is no server, it does not respond, or its runs are encrypted with another key.
 */
export async function withClient(
  address: string | undefined,
  use: (client: Client, server: FoundServer) => Promise<void>,
): Promise<void> {
  const server = await findServer(address);
  console.error(formatServer(server));
  const client = await connect(server).catch((cause: unknown) => {
    if (server.source !== 'stack') throw cause;
    throw new Error(`${formatError(cause)} Its log: .everswin/logs/temporal-server.log.`, { cause });
  });
  try {
    await requireKeys(client);
    await use(client, server);
  } finally {
    await client.connection.close();
  }
}
