import { runControlWorker } from '../../workers/control.ts';
import { runGpuWorker } from '../../workers/gpu.ts';
import { setLogFormat } from '../../workers/log-format.ts';
import { findServer, formatServer, type FoundServer } from '../client/find-server.ts';
import { createHome } from '../stack/create-home.ts';
import { chooseDevice } from '../stack/device.ts';
import { defaultHome } from '../stack/stack-options.ts';

/** Runs the control worker until a signal stops it. */
export async function controlWorker({ address }: { address?: string | undefined }): Promise<void> {
  const server = await prepareWorker(address);
  console.log(`Control worker, ${formatServer(server)}`);
  await runControlWorker(server);
}

/** Runs the GPU worker until a signal stops it. */
export async function gpuWorker(options: {
  address?: string | undefined;
  device?: 'cpu' | 'cuda' | undefined;
  drain?: boolean | undefined;
}): Promise<void> {
  const server = await prepareWorker(options.address);
  const { device = chooseDevice(), drain: drains = false } = options;
  console.log(`GPU worker (${device}${drains ? ', drains when stopped' : ''}), ${formatServer(server)}`);
  await runGpuWorker(server, { device, drains });
}

/**
 * Sets up log and home, and finds the server.
 * @throws Error when the stack of this folder already runs the workers: two of a kind must not share a home.
 */
async function prepareWorker(address: string | undefined): Promise<FoundServer> {
  setLogFormat();
  const server = await findServer(address);
  await createHome(defaultHome());
  if (server.source !== 'stack') return server;
  throw new Error(
    'The stack of this folder already runs both workers. To run a worker for another server, add --address HOST:PORT.',
  );
}
