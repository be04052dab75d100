import { readFile } from 'node:fs/promises';

const listening = '0A';

/** Returns the user id of the process that listens on a port of this machine; undefined if none does. */
async function findListener(port: number): Promise<number | undefined> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  const row = rows.find(([, local = '', , state]) => local.endsWith(`:${hex}`) && state === listening);
  return row === undefined ? undefined : Number(row[7]);
}

/**
 * Checks that no other user started a server on a port that was free a moment ago, as when two users start their stacks
 * at the same time. Our workers would then run the tasks of the other user.
 * @throws Error that says what to do.
 */
export async function requireOwnPort(port: number): Promise<void> {
  const uid = await findListener(port);
  if (uid === undefined || uid === process.getuid?.()) return;
  throw new Error(
    `Port ${port} belongs to a server of another user (uid ${uid}), who was faster. Start again: the stack then chooses another port.`,
  );
}
