import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { readStackFile, stackMarker } from './stack-file.ts';

/**
 * Kills the processes of a stack whose `everswin up` was killed. They keep running, and two workers must not share one
 * home.
 */
export async function killLeftovers(home: string): Promise<void> {
  const previous = await readStackFile(home);
  for (const pid of Object.values(previous?.processes ?? {})) {
    if (!(await belongsToStack(pid, home))) continue;
    process.kill(pid, 'SIGKILL');
    while (await belongsToStack(pid, home)) await sleep(20);
  }
}

/** Checks the environment of the process, because the pid may have been reused. */
async function belongsToStack(pid: number, home: string): Promise<boolean> {
  const environ = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  return environ.split('\0').includes(`${stackMarker}=${home}`);
}
