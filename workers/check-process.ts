import { mkdtemp, readFile, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { systemErrorCode } from '../activities/shared/errors/coded-error.ts';

/** A worker opens about 100 files and sockets, and each training, download and query some more. */
const minOpenFiles = 256;
const recommendedOpenFiles = 4096;

/**
 * Checks what every worker needs, and would miss only in the middle of a run.
 * @throws Error that says what to change.
 */
export async function checkProcess(): Promise<void> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  const openFiles = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity); // no number: unlimited
  if (openFiles < minOpenFiles)
    throw new Error(
      `This process may open ${openFiles} files, and a worker needs at least ${minOpenFiles}. Raise the limit: ulimit -n ${recommendedOpenFiles}`,
    );
  const folder = tmpdir();
  try {
    await rmdir(await mkdtemp(`${folder}/everswin-`));
  } catch (error) {
    throw new Error(
      `The folder for temporary files, ${folder}, cannot be written (${systemErrorCode(error) ?? String(error)}). Make it writable, free space on its disk, or set TMPDIR to another folder.`,
      { cause: error },
    );
  }
}
