import { z } from 'zod';
import { writeFileAtomic } from '../../activities/shared/files/atomic-file.ts';
import { readJson } from '../../activities/shared/files/json-file.ts';
import { homeFolders } from '../../configs/paths.ts';

/** stack.json: addresses and processes of the running stack. */
export const StackFile = z.object({
  v: z.literal(1),
  pid: z.int(),
  address: z.string(),
  uiUrl: z.string(),
  demoUrl: z.string(),
  /** Address of the pages of runs and models. */
  pagesUrl: z.string(),
  /** Address of the hook that requests retrainings; null when the stack was started without a token. */
  hookUrl: z.string().nullable(),
  processes: z.record(z.string(), z.int()),
});
export type StackFile = z.infer<typeof StackFile>;

export const writeStackFile = (home: string, stack: StackFile): Promise<void> =>
  writeFileAtomic(homeFolders(home).stack, JSON.stringify(stack, null, 2));

/** Returns what the newest stack of this home wrote, whether or not it still runs. */
export const readStackFile = (home: string): Promise<StackFile | undefined> =>
  readJson(homeFolders(home).stack, StackFile);

/** Variable in the environment of every process of a stack: it tells them from others that reuse a pid of stack.json. */
export const stackMarker = 'EVERSWIN_HOME';

/** Returns the stack that runs on this home now: its process exists, and its file server answers. */
export async function findRunningStack(home: string): Promise<StackFile | undefined> {
  const stack = await readStackFile(home);
  if (stack === undefined || !processExists(stack.pid)) return undefined;
  const request = fetch(stack.demoUrl, { method: 'HEAD', signal: AbortSignal.timeout(2_000) });
  const response = await request.catch(() => undefined);
  return response === undefined ? undefined : stack;
}

function processExists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
