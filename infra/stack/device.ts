import { existsSync } from 'node:fs';

/** Present while the kernel module of NVIDIA's driver is loaded. */
const nvidiaDriverFile = '/proc/driver/nvidia/version';

/** Returns `cuda` on a machine with an NVIDIA driver, else `cpu`. */
export const chooseDevice = (): 'cpu' | 'cuda' => (existsSync(nvidiaDriverFile) ? 'cuda' : 'cpu');
