import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { findFreePort } from '../../../infra/stack/free-port.ts';
import { requireOwnPort } from '../../../infra/stack/port-owner.ts';

const otherUser = 65533;

test('requireOwnPort accepts a free port and a server of the same user', async () => {
  const port = await findFreePort(0);
  await requireOwnPort(port);
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  await requireOwnPort(port);
  server.close();
});

test.skipIf(process.getuid?.() !== 0)('requireOwnPort rejects a server of another user', async () => {
  const port = await findFreePort(0);
  const program = `import socket, time
server = socket.create_server(("127.0.0.1", ${port}))
print("listening", flush=True)
time.sleep(600)`;
  const server = spawn('/usr/bin/python3', ['-c', program], { uid: otherUser, gid: otherUser, cwd: '/' });
  try {
    await once(server.stdout, 'data');
    await expect(requireOwnPort(port)).rejects.toThrow(`Port ${port} belongs to a server of another user (uid 65533)`);
  } finally {
    server.kill();
  }
});
