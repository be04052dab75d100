import { mkdir } from 'node:fs/promises';
import { objectKeys } from '../../configs/names.ts';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import type { SweepInput, SweepResult, VariantStatus } from '../../configs/schema/index.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import type { ArtifactStore, OpenStore } from '../shared/store/artifact-store.ts';
import { fetchReport } from '../shared/store/fetch-report.ts';
import { fileSize } from '../shared/files/checkpoint-files.ts';
import { compareVariants, type FinishedRun } from './compare-variants.ts';
import { comparedFiles, loadRun } from './load-run.ts';
import { renderSweepHtml, renderSweepMarkdown } from './render-sweep.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { removeTemporaryFiles, writeFileAtomic } from '../shared/files/atomic-file.ts';

/** Worker dependencies of the activity that compares runs. */
interface ComparisonDependencies {
  home: string;
  openStore: OpenStore;
}

interface ComparisonRequest {
  input: SweepInput;
  variants: VariantStatus[];
}

/** Compares the finished runs of a sweep. Writes JSON, Markdown and HTML to the home folder and the artifact store. */
export const createWriteComparison =
  (dependencies: ComparisonDependencies) =>
  (request: ComparisonRequest): Promise<Omit<SweepResult, 'variants'>> =>
    withHeartbeat(
      () => 'comparing runs',
      () => writeComparison(dependencies, request),
    );

async function writeComparison(
  { home, openStore }: ComparisonDependencies,
  { input, variants }: ComparisonRequest,
): Promise<Omit<SweepResult, 'variants'>> {
  const folder = homeFolders(home).comparison(input.name);
  const store = openStore(input.base.artifacts.store);
  const finished = new Map<string, FinishedRun>();
  for (const { runId, result } of variants)
    if (result !== null) finished.set(runId, await readRun(store, runId, runFolder(home, runId).report));
  const { report, runs } = compareVariants(input, variants, finished, Date.now() / 1000);
  const curves = runs.map(({ report: { runId, curves: ofRun } }) => ({ runId, curves: ofRun }));
  const files = {
    'comparison.json': JSON.stringify(report, null, 2),
    'comparison.md': renderSweepMarkdown(report),
    'index.html': renderSweepHtml(report, curves),
  };
  await mkdir(folder, { recursive: true });
  // An attempt whose worker was killed may have left parts.
  await removeTemporaryFiles(folder);
  await store.abortStaleUploads(objectKeys.comparison(input.name, ''), 0);
  let stored = { uri: '', sha256: '', bytes: 0 };
  for (const [name, content] of Object.entries(files)) {
    await writeFileAtomic(`${folder}/${name}`, content);
    stored = await store.put(objectKeys.comparison(input.name, name), `${folder}/${name}`);
  }
  const { uri, sha256, bytes } = stored;
  return { uri, sha256, bytes, winner: report.winner, verdict: report.verdict };
}

/** Loads a run. One that finished on another machine is fetched from the store. */
async function readRun(store: ArtifactStore, runId: string, folder: string): Promise<FinishedRun> {
  if ((await fileSize(`${folder}/report.json`)) === undefined)
    await fetchReport(store, runId, comparedFiles, { folder });
  try {
    return await loadRun(folder);
  } catch (error) {
    if (error instanceof CodedError && error.code === 'NotComparable') return { error: error.message };
    throw error;
  }
}
