import { mkdir, open, type FileHandle } from 'node:fs/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import { systemErrorCode } from '../../shared/errors/coded-error.ts';
import { ignoreMissing } from '../../shared/files/ignore-missing.ts';
import { writeFileAtomic } from '../../shared/files/atomic-file.ts';
import { listRankLogs } from '../../shared/run/run-logs.ts';

/** Bytes read at each end of a huge log: the beginning holds startup errors, the end all others. */
const sectionBytes = 1024 * 1024;
/** Fewer bytes per rank, as there may be dozens. */
const rankSectionBytes = 128 * 1024;
/** Longer lines are truncated, because matching patterns against megabytes is slow. */
const maxLineCharacters = 8000;
const savedLines = 200;

/** Range of a job's logs that one attempt wrote. */
interface AttemptLogRange {
  /** Size of `trainer.log` when the trainer began. */
  logOffset: number;
  fence: number;
  /** Rank that failed first, if known. */
  firstRank?: number | null | undefined;
  /** Host name that prefixes the lines of the main log; set for other hosts. */
  host?: string;
}

/**
 * Reads the log lines of one attempt: the main log of torchrun and rank 0, then the log of each other rank, prefixed
 * with its number. The rank that failed first comes first. Handles binary content and truncates huge lines.
 */
export async function readAttemptLog(
  job: JobFolder,
  { logOffset, fence, firstRank, host }: AttemptLogRange,
): Promise<string[]> {
  const ranks = await readRankLogs(job, fence);
  const mainLines = await readLines(job.log, logOffset, sectionBytes);
  const main = { lines: host === undefined ? mainLines : mainLines.map((line) => `[host ${host}] ${line}`) };
  const first = ranks.filter(({ rank }) => rank === firstRank);
  const others = ranks.filter(({ rank }) => rank !== firstRank);
  return [...first, main, ...others].flatMap(({ lines }) => lines);
}

const sourcePrefix = /^\[(rank \d+|host [^\]]+)\] /;
/** Returns whether a line comes from the log of another rank or host. */
export const hasSourcePrefix = (line: string): boolean => sourcePrefix.test(line);
export const stripSourcePrefix = (line: string): string => line.replace(sourcePrefix, '');

async function readRankLogs(job: JobFolder, fence: number): Promise<{ rank: number; lines: string[] }[]> {
  const ranks = (await listRankLogs(job)).filter((log) => log.fence === fence);
  ranks.sort((a, b) => a.rank - b.rank);
  return Promise.all(
    ranks.map(async ({ rank, path }) => {
      const lines = await readLines(path, 0, rankSectionBytes);
      return { rank, lines: lines.map((line) => `[rank ${rank}] ${line}`) };
    }),
  );
}

/** Reads the lines after `offset`; of a long log, only `section` bytes at each end. */
async function readLines(path: string, offset: number, section: number): Promise<string[]> {
  const file = await ignoreMissing(open(path));
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    // The log was truncated, so everything in it is newer.
    const start = size < offset ? 0 : offset;
    if (size - start <= 2 * section) return splitLines(await readSection(file, start, size));
    const beginning = await readSection(file, start, start + section);
    return [...splitLines(beginning), ...splitLines(await readSection(file, size - section, size))];
  } finally {
    await file.close();
  }
}

/** Saves the end of a failed attempt's logs. Best effort, as the disk may be full. @returns the path if saved. */
export async function saveLogTail(
  job: JobFolder,
  fence: number,
  lines: readonly string[],
): Promise<string | undefined> {
  const path = `${job.failures}/attempt-${fence}.log`;
  try {
    await mkdir(job.failures, { recursive: true });
    const sources = [lines.filter(hasSourcePrefix), lines.filter((line) => !hasSourcePrefix(line))];
    const tails = sources.flatMap((source) => source.slice(-savedLines));
    await writeFileAtomic(path, `${tails.join('\n')}\n`);
    return path;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
}

async function readSection(file: FileHandle, start: number, end: number): Promise<string> {
  const buffer = Buffer.alloc(end - start);
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, start + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.toString('utf8', 0, filled);
}

/** Splits at line feeds and at the carriage returns of progress bars. */
const splitLines = (text: string): string[] =>
  text
    .split(/[\r\n]+/)
    .filter((line) => line !== '')
    .map(truncateMiddle);

const truncateMiddle = (line: string): string =>
  line.length <= maxLineCharacters
    ? line
    : `${line.slice(0, maxLineCharacters / 2)} … ${line.slice(-maxLineCharacters / 2)}`;
