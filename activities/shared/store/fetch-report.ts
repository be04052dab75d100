import { objectKeys } from '../../../configs/names.ts';
import type { ArtifactStore } from './artifact-store.ts';

/** A downloaded file of a report. */
interface ReportFile {
  file: string;
  path: string;
  sha256: string;
  bytes: number;
}

/** Downloads the given files of a run's report to a folder. Skips files that the store does not hold. */
export async function fetchReport(
  store: ArtifactStore,
  runId: string,
  names: readonly string[],
  { folder, signal }: { folder: string; signal?: AbortSignal },
): Promise<ReportFile[]> {
  const files = [];
  for (const file of names) {
    const key = objectKeys.report(runId, file);
    if ((await store.head(key, signal)) === undefined) continue;
    const path = `${folder}/${file}`;
    const { sha256, bytes } = await store.get(key, path, signal === undefined ? {} : { signal });
    files.push({ file, path, sha256, bytes });
  }
  return files;
}
