import { chooseDevice } from '../stack/device.ts';
import { findServer, formatServer } from '../client/find-server.ts';
import { runControlWorker } from '../../workers/control.ts';
import { runGpuWorker } from '../../workers/gpu.ts';

/** Runs the control worker until a signal stops it. */
export async function controlWorker({ address }: { address?: string }): Promise<void> {
  const server = await findServer(address);
  console.log(`Control worker, ${formatServer(server)}`);
  await runControlWorker(server);
}

/** Runs the GPU worker until a signal stops it. */
export async function gpuWorker(options: { address?: string; device?: 'cpu' | 'cuda' }): Promise<void> {
  const server = await findServer(options.address);
  const device = options.device ?? chooseDevice();
  console.log(`GPU worker (${device}), ${formatServer(server)}`);
  await runGpuWorker(server, device);
}
