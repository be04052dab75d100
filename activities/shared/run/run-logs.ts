import { readdir, stat } from 'node:fs/promises';
import type { JobFolder, RunFolder } from '../../../configs/paths.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';

/** Returns the log that this rank wrote last, of training or test; undefined if there is none. */
export async function findNewestLog(run: RunFolder, rank: number): Promise<string | undefined> {
  const logs = (await listLogs(run)).filter((log) => log.rank === rank);
  return logs.sort((a, b) => b.changedMs - a.changedMs)[0]?.path;
}

/** Lists the ranks that have a log. */
export async function listLoggedRanks(run: RunFolder): Promise<number[]> {
  return [...new Set((await listLogs(run)).map(({ rank }) => rank))].sort((a, b) => a - b);
}

/** Lists the logs of all ranks: of training and test, of each host, and of the newest attempts. */
async function listLogs(run: RunFolder): Promise<{ rank: number; path: string; changedMs: number }[]> {
  const hosts = (await ignoreMissing(readdir(run.hosts))) ?? [];
  // The test first, because two logs that were written at once have the same time.
  const jobs = [run.test, run.train, ...hosts.map(run.host)];
  const others = (await Promise.all(jobs.map(listRankLogs))).flat();
  const candidates = [...jobs.map(({ log }) => ({ rank: 0, path: log })), ...others];
  const found = candidates.map(async ({ rank, path }) => {
    const status = await ignoreMissing(stat(path));
    return status === undefined ? [] : [{ rank, path, changedMs: status.mtimeMs }];
  });
  return (await Promise.all(found)).flat();
}

/** Lists the logs of all ranks except the first, of the newest attempts. */
export async function listRankLogs(job: JobFolder): Promise<{ fence: number; rank: number; path: string }[]> {
  const names = (await ignoreMissing(readdir(job.rankLogs))) ?? [];
  return names.flatMap((name) => {
    const [, fence, rank] = /^(\d+)-rank-(\d+)\.log$/.exec(name) ?? [];
    return rank === undefined ? [] : [{ fence: Number(fence), rank: Number(rank), path: `${job.rankLogs}/${name}` }];
  });
}
