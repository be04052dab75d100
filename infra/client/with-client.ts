/** What the programs that a person types have in common: one refusal, one way to the server. */
import type { Client } from '@temporalio/client';
import { connect } from './connect.ts';
import { formatError } from '../terminal/format-error.ts';
import { defaultHome } from '../stack/arguments.ts';
import { findRunningStack, type StackFile } from '../stack/stack-file.ts';

const usualAddress = '127.0.0.1:7233';

/** Says what is wrong; the program ends with 1. */
export function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}

/** An error is said in words that tell what to do next. Whoever reads no further, as `head` does, ends the program in peace. */
export async function runProgram(main: () => Promise<void>): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  await main().catch((error: unknown) => fail(formatError(error)));
}

/**
 * A connection for as long as `use` lasts: to the address, else to the embedded stack, else to where a server usually is.
 * Refuses where nobody answers.
 */
export async function withClient(
  address: string | undefined,
  use: (client: Client, stack: StackFile | undefined) => Promise<void>,
): Promise<void> {
  const stack = await findRunningStack(defaultHome);
  const client = await connect(address ?? stack?.address ?? usualAddress).catch(() => undefined);
  if (client === undefined)
    return fail('There is no Temporal server to talk to. Type `npm run up` in another terminal first.');
  try {
    await use(client, stack);
  } finally {
    await client.connection.close();
  }
}
