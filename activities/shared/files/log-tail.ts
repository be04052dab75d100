import { open } from 'node:fs/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import { ignoreMissing } from './ignore-missing.ts';

/** A failure's text in Temporal is cut at 4 KiB, so no more than this is ever read of a log that may be huge. */
const tailBytes = 4096;

/** The last lines of a job's log, oldest first. */
export async function readLogTail(job: JobFolder, lines: number): Promise<string[]> {
  const file = await ignoreMissing(open(job.log));
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - tailBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(tailBytes), 0, tailBytes, start);
    const wholeLines = buffer
      .toString('utf8', 0, bytesRead)
      .split('\n')
      .slice(start > 0 ? 1 : 0);
    return wholeLines.filter((line) => line.trim() !== '').slice(-lines);
  } finally {
    await file.close();
  }
}
