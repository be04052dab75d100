import { Analysis, Report } from '../../configs/schema/index.ts';
import { readJson } from '../shared/files/json-file.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';

interface ReadReport {
  report: Report;
  /** Undefined for a report without an analysis. */
  analysis: Analysis | undefined;
}

/** Reads a report under a key prefix of a store; undefined if there is none. @param folder for the downloads. */
export async function readReport(
  store: ArtifactStore,
  prefix: string,
  { folder, signal }: { folder: string; signal: AbortSignal },
): Promise<ReadReport | undefined> {
  const read = async (file: string): Promise<string | undefined> => {
    if ((await store.head(`${prefix}${file}`, signal)) === undefined) return undefined;
    await store.get(`${prefix}${file}`, `${folder}/${file}`, { signal });
    return `${folder}/${file}`;
  };
  const [report, analysis] = [await read('report.json'), await read('analysis.json')];
  const content = report === undefined ? undefined : await readJson(report, Report);
  if (content === undefined) return undefined;
  return { report: content, analysis: analysis === undefined ? undefined : await readJson(analysis, Analysis) };
}
