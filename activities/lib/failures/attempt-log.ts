import { mkdir, open, type FileHandle } from 'node:fs/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import { systemErrorCode } from './coded-error.ts';
import { ifThere } from '../files/if-there.ts';
import { writeFileWhole } from '../files/whole-file.ts';

/** Of a log that may be huge, its beginning and its end are read: start-up errors stand here, all others there. */
const partBytes = 1024 * 1024;
/** A longer line is cut in the middle: patterns are not made for a megabyte. */
const lineCharacters = 8000;
const keptLines = 200;

/** The lines of one attempt, from where the log was when its trainer began. Whatever stands in a log, it can be read. */
export async function readAttemptLog(job: JobFolder, logOffset: number): Promise<string[]> {
  const file = await ifThere(open(job.log));
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    // Somebody emptied the log: all that it holds now is newer.
    const start = size < logOffset ? 0 : logOffset;
    if (size - start <= 2 * partBytes) return splitLines(await readPart(file, start, size));
    const beginning = await readPart(file, start, start + partBytes);
    return [...splitLines(beginning), ...splitLines(await readPart(file, size - partBytes, size))];
  } finally {
    await file.close();
  }
}

/** The end of a failed attempt's log under a name of its own. Best effort: on a full disk there is no room for it. */
export async function keepLogEnd(job: JobFolder, fence: number, lines: readonly string[]): Promise<string | undefined> {
  const path = `${job.failures}/attempt-${fence}.log`;
  try {
    await mkdir(job.failures, { recursive: true });
    await writeFileWhole(path, `${lines.slice(-keptLines).join('\n')}\n`);
    return path;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
}

async function readPart(file: FileHandle, start: number, end: number): Promise<string> {
  const buffer = Buffer.alloc(end - start);
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, start + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.toString('utf8', 0, filled);
}

/** A progress bar's carriage return begins a new line. */
const splitLines = (text: string): string[] =>
  text
    .split(/[\r\n]+/)
    .filter((line) => line !== '')
    .map(cutMiddle);

const cutMiddle = (line: string): string =>
  line.length <= lineCharacters ? line : `${line.slice(0, lineCharacters / 2)} … ${line.slice(-lineCharacters / 2)}`;
