import { connect as connectSocket } from 'node:net';
import { defaultDeployment, deployment } from '../../configs/deployment.ts';
import { namespace } from '../../configs/names.ts';
import { readEncryptionKeys } from '../../workers/encryption-keys.ts';
import { readEnv } from '../../workers/env.ts';
import {
  formatSecurity,
  readTemporalSettings,
  selectsServer,
  type TemporalServer,
} from '../../workers/temporal-server.ts';
import { findRunningStack, type StackFile } from '../stack/stack-file.ts';
import { defaultHome } from '../stack/stack-options.ts';

/** The Temporal server of a command. */
export interface FoundServer extends TemporalServer {
  /** Who chose it. */
  source: '--address' | 'TEMPORAL_ADDRESS' | 'temporal.toml' | 'stack';
  /** Address of its Temporal UI, if known. */
  uiUrl: string | undefined;
}

const temporalPort = 7233;

/**
 * Finds the Temporal server: `--address`, TEMPORAL_ADDRESS or a selected profile of temporal.toml, the running stack of
 * this folder, or the default profile, in this order. Never assumes another address, because the server there may
 * belong to someone else.
 * @throws Error that explains how to start or name a server.
 */
export async function findServer(address: string | undefined): Promise<FoundServer> {
  const home = defaultHome();
  const stack = await findRunningStack(home);
  if (stack !== undefined && address === undefined && !selectsServer()) return stackServer(stack);
  const settings = readTemporalSettings();
  const named = address ?? settings.address;
  if (named !== undefined) {
    return {
      ...settings,
      address: named,
      source: address === undefined ? settings.source : '--address',
      uiUrl: readEnv().EVERSWIN_UI_URL ?? (stack?.address === named ? stack.uiUrl : undefined),
    };
  }
  throw new Error(await explainMissingServer(home));
}

/** Returns the server of a stack, which has no TLS and one namespace. */
export const stackServer = ({ address, uiUrl }: Pick<StackFile, 'address' | 'uiUrl'>): FoundServer => ({
  address,
  namespace,
  keys: readEncryptionKeys(),
  source: 'stack',
  uiUrl,
});

/** Formats the server of a command, for example `Temporal at 127.0.0.1:7233, namespace default (stack of this folder)`. */
export function formatServer(server: FoundServer): string {
  const { address, namespace: name, source, tls, apiKey, keys } = server;
  const team = deployment === defaultDeployment ? '' : `, deployment ${deployment}`;
  const security = tls || apiKey !== undefined ? `, ${formatSecurity(server)}` : '';
  const [key] = keys?.keys() ?? [];
  const encryption = key === undefined ? '' : `, payloads encrypted with key ${key}`;
  return `Temporal at ${address}, namespace ${name}${team}${security}${encryption} (${source === 'stack' ? 'stack of this folder' : source})`;
}

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
