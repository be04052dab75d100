import { mkdir, open, readdir, type FileHandle } from 'node:fs/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import { systemErrorCode } from '../../shared/errors/coded-error.ts';
import { ignoreMissing } from '../../shared/files/ignore-missing.ts';
import { writeFileAtomic } from '../../shared/files/atomic-file.ts';

/** Of a log that may be huge, its beginning and its end are read: start-up errors stand here, all others there. */
const sectionBytes = 1024 * 1024;
/** There may be dozens of ranks. */
const rankSectionBytes = 128 * 1024;
/** A longer line is cut in the middle: patterns are not made for a megabyte. */
const maxLineCharacters = 8000;
const keptLines = 200;

/** Which part of a job's logs one attempt wrote. */
export interface AttemptLogRange {
  /** Where `trainer.log` was when its trainer began. */
  logOffset: number;
  fence: number;
  /** The rank that failed first, where that is known. */
  firstRank?: number | null | undefined;
  /** Stands in front of what others than ranks said. */
  host?: string;
}

/**
 * The lines of one attempt: what the first rank and the launcher said, and then what each other rank said, with its
 * number in front. The rank that failed first comes first. Whatever stands in a log, it can be read.
 */
export async function readAttemptLog(
  job: JobFolder,
  { logOffset, fence, firstRank, host }: AttemptLogRange,
): Promise<string[]> {
  const ranks = await readRankLogs(job, fence);
  const said = await readLines(job.log, logOffset, sectionBytes);
  const main = { lines: host === undefined ? said : said.map((line) => `[host ${host}] ${line}`) };
  const first = ranks.filter(({ rank }) => rank === firstRank);
  const others = ranks.filter(({ rank }) => rank !== firstRank);
  return [...first, main, ...others].flatMap(({ lines }) => lines);
}

const sourcePrefix = /^\[(rank \d+|host [^\]]+)\] /;
/** From another log than the main one: of a rank that has its own, or of another host. */
export const hasSourcePrefix = (line: string): boolean => sourcePrefix.test(line);
export const stripSourcePrefix = (line: string): string => line.replace(sourcePrefix, '');

async function readRankLogs(job: JobFolder, fence: number): Promise<{ rank: number; lines: string[] }[]> {
  const names = (await ignoreMissing(readdir(job.rankLogs))) ?? [];
  const ranks = names.flatMap((name) => {
    const [, of, rank] = /^(\d+)-rank-(\d+)\.log$/.exec(name) ?? [];
    return Number(of) === fence ? [{ rank: Number(rank), path: `${job.rankLogs}/${name}` }] : [];
  });
  ranks.sort((a, b) => a.rank - b.rank);
  return Promise.all(
    ranks.map(async ({ rank, path }) => {
      const lines = await readLines(path, 0, rankSectionBytes);
      return { rank, lines: lines.map((line) => `[rank ${rank}] ${line}`) };
    }),
  );
}

/** From `offset` on; of more than twice `part` bytes the beginning and the end. */
async function readLines(path: string, offset: number, part: number): Promise<string[]> {
  const file = await ignoreMissing(open(path));
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    // Somebody emptied the log: all that it holds now is newer.
    const start = size < offset ? 0 : offset;
    if (size - start <= 2 * part) return splitLines(await readPart(file, start, size));
    const beginning = await readPart(file, start, start + part);
    return [...splitLines(beginning), ...splitLines(await readPart(file, size - part, size))];
  } finally {
    await file.close();
  }
}

/** The end of a failed attempt's logs under a name of its own. Best effort: on a full disk there is no room for it. */
export async function saveLogTail(
  job: JobFolder,
  fence: number,
  lines: readonly string[],
): Promise<string | undefined> {
  const path = `${job.failures}/attempt-${fence}.log`;
  try {
    await mkdir(job.failures, { recursive: true });
    const ends = [lines.filter(hasSourcePrefix), lines.filter((line) => !hasSourcePrefix(line))];
    const kept = ends.flatMap((some) => some.slice(-keptLines));
    await writeFileAtomic(path, `${kept.join('\n')}\n`);
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
    .map(truncateMiddle);

const truncateMiddle = (line: string): string =>
  line.length <= maxLineCharacters
    ? line
    : `${line.slice(0, maxLineCharacters / 2)} … ${line.slice(-maxLineCharacters / 2)}`;
