/**
 * Entry point of the mirror process. It is plain JavaScript, so that the process has the lowest priority before it loads
 * any module: it must not take CPU time from the trainer.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

lowerPriority();
await import('./mirror-child.ts');

function lowerPriority() {
  try {
    setPriority(constants.priority.PRIORITY_LOW);
    // On Linux each thread has its own nice value, and the threads of V8 already run.
    for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), constants.priority.PRIORITY_LOW);
    // With autogroup scheduling, nice values apply only within a session, so lower that of the session as well.
    writeFileSync('/proc/self/autogroup', String(constants.priority.PRIORITY_LOW));
  } catch {
    // Not Linux, or a kernel without autogroup scheduling.
  }
}
