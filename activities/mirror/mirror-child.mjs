/**
 * Entry of the process that mirrors a run. Plain JavaScript, so that it is at the lowest priority before anything is
 * loaded: what this process takes must never be missing where the trainer runs.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { register } from 'tsx/esm/api';

lowerPriority();
register();
await import('./mirror-child.ts');

function lowerPriority() {
  try {
    setPriority(constants.priority.PRIORITY_LOW);
    // On Linux each thread has its own niceness, and those of the JavaScript engine run already.
    for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), constants.priority.PRIORITY_LOW);
    // Where the kernel shares the CPU out among sessions first, a niceness only counts inside of one: lower ours as well.
    writeFileSync('/proc/self/autogroup', String(constants.priority.PRIORITY_LOW));
  } catch {
    // Not Linux, or a kernel without sessions' shares.
  }
}
