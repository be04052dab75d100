import { GpuLeases } from '../../../configs/schema/index.ts';
import { runTrainerCommand } from './trainer-command.ts';
import type { PythonCommand } from './trainer-process.ts';

/**
 * Lists who holds the GPUs of this machine and who waits for them; needs no driver.
 * @throws CodedError StorageUnavailable with the remedy if this user cannot use the folder of the leases.
 */
export const readGpuLeases = (python: PythonCommand, folder: string, signal: AbortSignal): Promise<GpuLeases> =>
  runTrainerCommand({ python, argv: ['gpu-leases', '--gpu-folder', folder], output: GpuLeases, signal });
