import { connect as connectSocket } from 'node:net';
import { namespace } from '../../configs/names.ts';
import { readEnv, type TemporalServer } from '../../workers/env.ts';
import { findRunningStack, type StackFile } from '../stack/stack-file.ts';
import { defaultHome } from '../stack/stack-options.ts';

/** The Temporal server of a command. */
export interface FoundServer extends TemporalServer {
  /** Who chose it. */
  source: '--address' | 'TEMPORAL_ADDRESS' | 'stack';
  /** The stack of this folder, if it is the server. */
  stack: StackFile | undefined;
}

const temporalPort = 7233;

/**
 * Finds the Temporal server: `--address`, TEMPORAL_ADDRESS, or the running stack of this folder, in this order. Never
 * assumes another address, because the server there may belong to someone else.
 * @throws Error that explains how to start or name a server.
 */
export async function findServer(address: string | undefined): Promise<FoundServer> {
  const home = defaultHome();
  const env = readEnv();
  const stack = await findRunningStack(home);
  const named = address ?? env.TEMPORAL_ADDRESS;
  if (named !== undefined) {
    return {
      address: named,
      namespace: env.TEMPORAL_NAMESPACE,
      source: address === undefined ? 'TEMPORAL_ADDRESS' : '--address',
      stack: stack?.address === named ? stack : undefined,
    };
  }
  if (stack !== undefined) return { address: stack.address, namespace, source: 'stack', stack };
  throw new Error(await explainMissingServer(home));
}

/** Formats the server of a command, for example `Temporal at 127.0.0.1:7233, namespace default (stack of this folder)`. */
export const formatServer = ({ address, namespace: name, source }: FoundServer): string =>
  `Temporal at ${address}, namespace ${name} (${source === 'stack' ? 'stack of this folder' : source})`;

async function explainMissingServer(home: string): Promise<string> {
  const address = `127.0.0.1:${temporalPort}`;
  const stranger = (await isListening(address))
    ? ` A server listens at ${address}, but this folder did not start it. To use it anyway, add --address ${address}.`
    : ' To use another server, add --address HOST:PORT or set TEMPORAL_ADDRESS.';
  return `No stack is running in ${home}. Start one in another terminal: everswin up.${stranger}`;
}

/** Returns whether a program accepts connections at `host:port`. */
export const isListening = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    const socket = connectSocket({ host, port: Number(address.slice(colon + 1)) });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => settle(false));
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
