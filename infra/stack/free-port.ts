import { createServer } from 'node:net';

/** The wished port where it is free on 127.0.0.1, else any free one. */
export const findFreePort = async (wished: number): Promise<number> =>
  (await tryPort(wished)) ?? (await tryPort(0)) ?? wished;

const tryPort = (port: number): Promise<number | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
    });
  });
