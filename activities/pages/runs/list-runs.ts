import { readdir } from 'node:fs/promises';
import { homeFolders, runFolder } from '../../../configs/paths.ts';
import { RunName } from '../../../configs/schema/index.ts';
import { readFileMark } from '../../shared/files/file-mark.ts';
import { ignoreMissing } from '../../shared/files/ignore-missing.ts';
import { ignoreStorageErrors } from '../../shared/files/storage-error.ts';

export interface RunSummary {
  readonly runId: string;
  /** Unix seconds of the last change of progress or report; null if there is neither. */
  readonly changedAt: number | null;
  readonly hasReport: boolean;
}

/** Lists the names of the runs on this machine, except for linked folders, which no page follows. */
export async function listRunNames(home: string): Promise<string[]> {
  const entries = (await ignoreMissing(readdir(homeFolders(home).runs, { withFileTypes: true }))) ?? [];
  return entries
    .filter((entry) => entry.isDirectory() && RunName.safeParse(entry.name).success)
    .map(({ name }) => name);
}

/** Lists the runs on this machine, most recently changed first. */
export async function listRunFolders(home: string): Promise<RunSummary[]> {
  const runs = await Promise.all((await listRunNames(home)).map((name) => inspectRun(home, name)));
  return runs.sort((a, b) => (b.changedAt ?? 0) - (a.changedAt ?? 0) || a.runId.localeCompare(b.runId));
}

async function inspectRun(home: string, runId: string): Promise<RunSummary> {
  const folder = runFolder(home, runId);
  const [progress, report] = await Promise.all(
    [folder.train.progress, `${folder.report}/report.json`].map((path) =>
      ignoreStorageErrors(readFileMark(path), undefined),
    ),
  );
  const times = [progress, report].flatMap((mark) => (mark === undefined ? [] : Number(mark.mtimeNs) / 1e9));
  return { runId, changedAt: times.length > 0 ? Math.max(...times) : null, hasReport: report !== undefined };
}
