import { Analysis, Bootstrap, Report } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { readJson } from '../shared/files/json-file.ts';

/** Files of a report folder. report.json, which marks a complete report, is last. */
export const comparedFiles = ['analysis.json', 'bootstrap.json', 'report.json'];

/** Finished run, loaded from its report folder. */
export interface ComparedRun {
  report: Report;
  analysis: Analysis;
  /** Undefined if the test set is too small to resample. */
  bootstrap: Bootstrap | undefined;
}

/** @throws CodedError NotComparable if the run is not finished or has no analysis. */
export async function loadRun(folder: string): Promise<ComparedRun> {
  const report = await readJson(`${folder}/report.json`, Report);
  if (report === undefined) throw new CodedError('NotComparable', `${folder} contains no report of a finished run.`);
  const { runId, metrics } = report;
  const analysis = await readJson(`${folder}/analysis.json`, Analysis);
  if (analysis?.checkpointSha256 !== metrics.checkpointSha256)
    throw new CodedError('NotComparable', `${folder} contains no analysis.json that matches the report of ${runId}.`);
  const bootstrap = await readJson(`${folder}/bootstrap.json`, Bootstrap);
  const isOfThisTest = bootstrap?.checkpointSha256 === metrics.checkpointSha256;
  return { report, analysis, bootstrap: isOfThisTest ? bootstrap : undefined };
}
