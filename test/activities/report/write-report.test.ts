import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createWriteReport, type ReportRequest } from '../../../activities/report/write-report.ts';
import { renderHtml } from '../../../activities/report/html.ts';
import { objectKeys } from '../../../configs/names.ts';
import { Analysis, Report, type ReportRef } from '../../../configs/schema/index.ts';
import { sampleAnalysis } from '../../fixtures/sample-analysis.ts';
import { sampleReport } from '../../fixtures/sample-report.ts';
import { createMiniRun, miniDataset, miniPlan, miniWeights, type MiniRun } from '../../helpers/mini-run.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';

let run: MiniRun;
beforeEach(async () => {
  run = await createMiniRun();
  await mkdir(run.folder.test.dir, { recursive: true });
});
afterEach(() => run.remove());

const { metrics, checks, steps, attempts, decisions } = sampleReport();
const request: ReportRequest = {
  plan: miniPlan,
  dataset: miniDataset,
  weights: miniWeights,
  metrics,
  checks,
  steps,
  attempts,
  decisions,
  startedAt: 0,
  pausedSeconds: 0,
};
const write = (): Promise<ReportRef> => mockEnvironment().run(createWriteReport(run.dependencies), request);
const read = (name: string): Promise<string> => readFile(`${run.folder.report}/${name}`, 'utf8');

test('writeReport renders the analysis and stores it next to the report', async () => {
  await writeFile(run.folder.analysis, JSON.stringify(sampleAnalysis()));
  const { uri } = await write();
  const [report, analysis] = [Report.parse(JSON.parse(await read('report.json'))), await read('analysis.json')];
  expect(await read('index.html')).toBe(renderHtml(report, Analysis.parse(JSON.parse(analysis))));
  expect(await read('index.html')).toContain('id="gallery"');
  expect(uri).toContain(objectKeys.report(miniPlan.runId, 'index.html'));
});

test.each([
  ['missing', undefined],
  ['of another checkpoint', JSON.stringify(sampleAnalysis({ checkpointSha256: 'f'.repeat(64) }))],
  ['truncated', '{"v": 1'],
])('writeReport writes a report without analysis when analysis.json is %s', async (_, text) => {
  if (text !== undefined) await writeFile(run.folder.analysis, text);
  await write();
  expect(await read('index.html')).toContain('wrote no analysis.json');
  await expect(read('analysis.json')).rejects.toThrow('ENOENT');
});
