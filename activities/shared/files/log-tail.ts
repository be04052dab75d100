import { open, type FileHandle } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';
import type { JobFolder } from '../../../configs/paths.ts';
import { ignoreMissing } from './ignore-missing.ts';

/** Temporal truncates failure messages at 4 KiB, so more would never be shown. */
const tailBytes = 4096;

/** Returns the last lines of a job's log, oldest first. */
export async function readLogTail(job: JobFolder, lines: number): Promise<string[]> {
  const file = await ignoreMissing(open(job.log));
  if (file === undefined) return [];
  try {
    return (await readTail(file, tailBytes)).slice(-lines);
  } finally {
    await file.close();
  }
}

/** Returns the lines in the last bytes of a file, without blank ones and terminal escapes; of a progress bar its last state. */
export async function readTail(file: FileHandle, bytes: number): Promise<string[]> {
  const { size } = await file.stat();
  const start = Math.max(0, size - bytes);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, bytes)), 0, null, start);
  return stripVTControlCharacters(buffer.toString('utf8', 0, bytesRead))
    .split('\n')
    .slice(start > 0 ? 1 : 0)
    .map((line) => line.trimEnd().split('\r').at(-1) ?? '')
    .filter((line) => line.trim() !== '');
}
