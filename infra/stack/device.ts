/** Where the kernel module of NVIDIA's driver says that it is loaded. */
export const nvidiaDriverFile = '/proc/driver/nvidia/version';

/** `--device`; without one, GPUs where there is a driver for them. @throws Error for any other word. */
export function chooseDevice(asked: string | undefined, hasDriver: boolean): 'cpu' | 'cuda' {
  const device = asked ?? (hasDriver ? 'cuda' : 'cpu');
  if (device !== 'cpu' && device !== 'cuda') throw new Error(`expected --device to be cpu or cuda, got ${device}`);
  return device;
}
