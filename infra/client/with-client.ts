import type { Client } from '@temporalio/client';
import { readEnv } from '../../workers/env.ts';
import { defaultHome } from '../stack/arguments.ts';
import { findRunningStack, type StackFile } from '../stack/stack-file.ts';
import { fail } from '../terminal/program.ts';
import { connect } from './connect.ts';

/** Connects to the given address, the running stack or TEMPORAL_ADDRESS, in this order. Closes the client after `use`. */
export async function withClient(
  address: string | undefined,
  use: (client: Client, stack: StackFile | undefined) => Promise<void>,
): Promise<void> {
  const stack = await findRunningStack(defaultHome());
  const server = address ?? stack?.address ?? readEnv().TEMPORAL_ADDRESS;
  const client = await connect(server).catch(() => undefined);
  if (client === undefined)
    return fail(`No Temporal server responds at ${server}. Start one with \`npm run up\` in another terminal.`);
  try {
    await use(client, stack);
  } finally {
    await client.connection.close();
  }
}
