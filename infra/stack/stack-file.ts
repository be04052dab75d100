import { z } from 'zod';
import { writeFileAtomic } from '../../activities/shared/files/atomic-file.ts';
import { readJson } from '../../activities/shared/files/json-file.ts';
import { isAlive } from '../../activities/shared/trainer/process-identity.ts';
import { homeFolders } from '../../configs/paths.ts';

/** stack.json: addresses and processes of the running stack. */
export const StackFile = z.object({
  v: z.literal(1),
  /** Identity of the process that runs the stack. */
  host: z.string(),
  pid: z.int(),
  startTicks: z.int(),
  address: z.string(),
  uiUrl: z.string(),
  /** Address of the pages of runs and models. */
  pagesUrl: z.string(),
  /** Address of the hook that requests retrainings; null when the stack was started without a token. */
  hookUrl: z.string().nullable(),
  processes: z.record(z.string(), z.int()),
});
export type StackFile = z.infer<typeof StackFile>;

export const writeStackFile = (home: string, stack: StackFile): Promise<void> =>
  writeFileAtomic(homeFolders(home).stack, JSON.stringify(stack, null, 2));

/** Reads the stack.json of the newest stack of this home, which may no longer run. */
export const readStackFile = (home: string): Promise<StackFile | undefined> =>
  readJson(homeFolders(home).stack, StackFile);

/** Environment variable of every process of a stack. Other processes that reuse a pid of stack.json lack it. */
export const stackMarker = 'EVERSWIN_HOME';

/** Returns the stack of this home if its process runs on this machine. */
export async function findRunningStack(home: string): Promise<StackFile | undefined> {
  const stack = await readStackFile(home);
  return stack !== undefined && (await isAlive(stack)) ? stack : undefined;
}
