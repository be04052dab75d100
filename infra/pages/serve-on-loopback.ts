import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface LoopbackServer {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** Limits in milliseconds. They disconnect clients that stop in the middle of a request or of an answer. */
const defaultLimits = {
  /** Time from the connection to the last header of its first request. */
  headersTimeout: 10_000,
  /** Time for a complete request, with its body. */
  requestTimeout: 60_000,
  /** Time between two requests of a connection. */
  keepAliveTimeout: 5_000,
  /** Time without a byte in either direction. The Temporal UI waits up to a minute for news of a workflow. */
  idleTimeout: 120_000,
  /** Period of the checks of the first two limits, which are exceeded by up to this time. */
  connectionsCheckingInterval: 2_000,
};

/** Open connections per server; further ones are closed at once. A browser opens six per page. */
const maxConnections = 512;

interface LoopbackOptions {
  /** 0 picks a free port. */
  port: number;
  limits?: Partial<typeof defaultLimits>;
}

/**
 * Starts an HTTP server that only this machine can reach. Closing it ends its connections.
 * @throws the server's error, such as EADDRINUSE.
 */
export async function serveOnLoopback(
  listener: RequestListener,
  { port, limits }: LoopbackOptions,
): Promise<LoopbackServer> {
  const { idleTimeout, ...options } = { ...defaultLimits, ...limits };
  const server = createServer(options, listener);
  server.setTimeout(idleTimeout);
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: boundPort } = server.address() as AddressInfo; // a string for Unix sockets only
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { url: `http://127.0.0.1:${boundPort}`, close };
}
