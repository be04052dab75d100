import { readdir, readFile, readlink } from 'node:fs/promises';

/** State of a listening socket in /proc/net/tcp. */
const listenState = '0A';

/** Returns pid and command line of the process that listens on a TCP port; undefined if this user may not see it. */
export async function findListener(port: number): Promise<string | undefined> {
  const sockets = await findSockets(port);
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const links = await Promise.all(
      (await readdir(`/proc/${pid}/fd`).catch(() => [])).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
    );
    if (!links.some((link) => sockets.includes(link))) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return `pid ${pid} (${command.replaceAll('\0', ' ').trim().slice(0, 100)})`;
  }
  return undefined;
}

/** Lists the listening sockets of a port, as links in /proc name them. */
async function findSockets(port: number): Promise<string[]> {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
  );
  return tables
    .flatMap((table) => table.split('\n'))
    .flatMap((line) => {
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
      return local.endsWith(ending) && state === listenState ? [`socket:[${inode}]`] : [];
    });
}
