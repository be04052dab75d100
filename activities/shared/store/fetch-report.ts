import { objectKeys } from '../../../configs/names.ts';
import type { ArtifactStore } from './artifact-store.ts';

/** A file of a report, fetched. */
export interface ReportFile {
  file: string;
  path: string;
  sha256: string;
  bytes: number;
}

/** Those of the wanted files that a run's report has in the store, fetched into a folder. */
export async function fetchReport(
  store: ArtifactStore,
  runId: string,
  wanted: readonly string[],
  { folder, signal }: { folder: string; signal?: AbortSignal },
): Promise<ReportFile[]> {
  const files = [];
  for (const file of wanted) {
    const key = objectKeys.report(runId, file);
    if ((await store.head(key, signal)) === undefined) continue;
    const path = `${folder}/${file}`;
    const { sha256, bytes } = await store.get(key, path, signal === undefined ? {} : { signal });
    files.push({ file, path, sha256, bytes });
  }
  return files;
}
