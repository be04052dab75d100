/** Subset of `http.Server` that `listenOnLoopback` uses. */
interface HttpServer {
  once: (event: 'error', listener: (error: Error) => void) => unknown;
  listen: (port: number, host: string, tell: () => void) => unknown;
  address: () => { port: number } | string | null;
  closeAllConnections: () => void;
  close: (tell: () => void) => unknown;
}

export interface LoopbackServer {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/**
 * Starts a server that only this machine can reach. Closing it ends its connections.
 * @param port 0 picks a free port.
 * @throws the server's error, such as EADDRINUSE.
 */
export async function listenOnLoopback(server: HttpServer, port: number): Promise<LoopbackServer> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  const boundPort = typeof address === 'object' && address !== null ? address.port : port;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${boundPort}`, close };
}
