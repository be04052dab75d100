import { existsSync } from 'node:fs';

/** Present while the kernel module of NVIDIA's driver is loaded. */
const nvidiaDriverFile = '/proc/driver/nvidia/version';

/**
 * Returns the device of `--device`. The default is `cuda` on a machine with an NVIDIA driver, else `cpu`.
 * @throws Error for any other value.
 */
export function chooseDevice(requested: string | undefined): 'cpu' | 'cuda' {
  const device = requested ?? (existsSync(nvidiaDriverFile) ? 'cuda' : 'cpu');
  if (device !== 'cpu' && device !== 'cuda') throw new Error(`Expected --device to be cpu or cuda, got ${device}.`);
  return device;
}
