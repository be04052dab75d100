import { Analysis, Bootstrap, Report } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { readJson } from '../shared/files/json-file.ts';

/** Of a report folder; the one that says that there is a report is the last. */
export const comparedFiles = ['analysis.json', 'bootstrap.json', 'report.json'];

/** A finished run, as its report folder holds it. */
export interface ComparedRun {
  report: Report;
  analysis: Analysis;
  /** Undefined for a test set of too few images to draw from. */
  bootstrap: Bootstrap | undefined;
}

/** @throws CodedError NotComparable: there is no finished run, or one without an analysis. */
export async function loadRun(folder: string): Promise<ComparedRun> {
  const report = await readJson(`${folder}/report.json`, Report);
  if (report === undefined) throw new CodedError('NotComparable', `There is no report of a finished run in ${folder}.`);
  const { runId, metrics } = report;
  const analysis = await readJson(`${folder}/analysis.json`, Analysis);
  if (analysis?.checkpointSha256 !== metrics.checkpointSha256)
    throw new CodedError('NotComparable', `${runId} has no analysis.json that belongs to its report in ${folder}.`);
  const bootstrap = await readJson(`${folder}/bootstrap.json`, Bootstrap);
  const isOfThisTest = bootstrap?.checkpointSha256 === metrics.checkpointSha256;
  return { report, analysis, bootstrap: isOfThisTest ? bootstrap : undefined };
}
