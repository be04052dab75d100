import type { GpuProblem } from '../../../configs/schema/index.ts';

/** Formats a GPU that is not healthy: `GPU-4f6… (NVIDIA A100) unusable: it has fallen off the bus. Restart the machine.` */
export const formatGpuProblem = ({ uuid, name, verdict, why, remedy }: GpuProblem): string =>
  `${uuid}${name === null ? '' : ` (${name})`} ${verdict}: ${why}. ${remedy}`;
