import { availableParallelism, loadavg } from 'node:os';

/** Load for each core above which programs wait noticeably for a core. */
const highLoad = 2;

/** Returns `this machine is overloaded (load 35.2 on 2 cores)`; undefined unless it is. */
export function formatLoad([load = 0] = loadavg(), cores = availableParallelism()): string | undefined {
  if (load < highLoad * cores) return undefined;
  return `this machine is overloaded (load ${load.toFixed(1)} on ${cores} core${cores === 1 ? '' : 's'})`;
}
