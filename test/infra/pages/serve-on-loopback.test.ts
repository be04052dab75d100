/** Clients that stop in the middle of a request or of an answer, on real sockets. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { serveOnLoopback } from '../../../infra/pages/serve-on-loopback.ts';

const limits = {
  headersTimeout: 300,
  requestTimeout: 400,
  keepAliveTimeout: 200,
  idleTimeout: 500,
  connectionsCheckingInterval: 50,
};

const open = (url: string, sent: string): Socket =>
  connect(Number(new URL(url).port), '127.0.0.1')
    .on('error', () => undefined)
    .on('connect', function (this: Socket) {
      this.write(sent);
    });

const head = 'POST / HTTP/1.1\r\nHost: localhost\r\n';
test.each([
  ['send nothing', ''],
  ['stop within the headers', head],
  ['stop within the body', `${head}Content-Length: 9\r\n\r\n1234`],
  ['stop within a chunk', `${head}Transfer-Encoding: chunked\r\n\r\n9\r\n1234`],
  ['keep the connection', `${head}Content-Length: 0\r\n\r\n`],
])('300 clients that %s are disconnected, and others are served meanwhile', async (_, sent) => {
  const server = await serveOnLoopback((request, response) => request.resume().once('end', () => response.end('ok')), {
    port: 0,
    limits,
  });
  const clients = Array.from({ length: 300 }, () => open(server.url, sent).resume());
  const closed = Promise.all(clients.map((client) => once(client, 'close')));
  await Promise.all(clients.map((client) => once(client, 'connect')));
  expect(await (await fetch(server.url)).text()).toBe('ok');
  await closed;
  await server.close();
});

test('a client that does not read its answer is disconnected', async () => {
  const left = Promise.withResolvers<boolean>();
  const server = await serveOnLoopback(
    (_, response) =>
      response.once('close', () => left.resolve(response.writableFinished)).end(Buffer.alloc(64 * 1024 * 1024)),
    { port: 0, limits },
  );
  const client = open(server.url, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n').pause();
  expect(await left.promise).toBe(false);
  client.destroy();
  await server.close();
});

test('connections beyond the limit are closed at once', async () => {
  const server = await serveOnLoopback((_, response) => response.end(), { port: 0 });
  const clients = Array.from({ length: 520 }, () => open(server.url, '').resume());
  await Promise.any(clients.map((client) => once(client, 'close')));
  for (const client of clients) client.destroy();
  await server.close();
});
