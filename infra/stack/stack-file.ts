import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { homeFolders } from '../../configs/paths.ts';

/** stack.json: where the running stack listens and which processes are its own. */
export const StackFile = z.object({
  v: z.literal(1),
  pid: z.int(),
  address: z.string(),
  uiUrl: z.string(),
  demoUrl: z.string(),
  /** Where it serves the pages of runs; stacks of before it serve none. */
  pagesUrl: z.string().nullable().default(null),
  /** Where retrainings may be asked for, where the stack was started with a token for that. */
  hookUrl: z.string().nullable().default(null),
  processes: z.record(z.string(), z.int()),
});
export type StackFile = z.infer<typeof StackFile>;

export async function writeStackFile(home: string, stack: StackFile): Promise<void> {
  const path = homeFolders(home).stack;
  await writeFile(`${path}.tmp`, JSON.stringify(stack, null, 2));
  await rename(`${path}.tmp`, path);
}

/** What the newest stack of this home wrote, whether or not it still runs. */
export async function readStackFile(home: string): Promise<StackFile | undefined> {
  try {
    return StackFile.parse(JSON.parse(await readFile(homeFolders(home).stack, 'utf8')));
  } catch {
    return undefined; // absent, or of another version: there is no stack that we could use
  }
}

/** Set in the environment of every process that a stack starts, so that a pid of an old stack.json is never mistaken for ours. */
export const stackMarker = 'EVERSWIN_HOME';

export async function belongsToStack(pid: number, home: string): Promise<boolean> {
  const environ = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  return environ.split('\0').includes(`${stackMarker}=${home}`);
}

/** The stack that runs on this home now: its supervisor lives and answers where it serves the demo's files. */
export async function findRunningStack(home: string): Promise<StackFile | undefined> {
  const stack = await readStackFile(home);
  if (stack === undefined || !isProcess(stack.pid)) return undefined;
  const answered = await fetch(stack.demoUrl, { method: 'HEAD', signal: AbortSignal.timeout(2_000) }).catch(
    () => undefined,
  );
  return answered === undefined ? undefined : stack;
}

function isProcess(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
