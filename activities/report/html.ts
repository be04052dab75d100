import type { Analysis, Report } from '../../configs/schema/index.ts';
import { isEvaluation } from '../../configs/schema/plan-weights.ts';
import { renderAnalysis, explainMissing } from './analysis/analysis-sections.ts';
import { confusionStyle } from './analysis/confusion-section.ts';
import { galleryScript } from './analysis/gallery-script.ts';
import { galleryStyle } from './analysis/gallery-style.ts';
import { trainingBatchStyle } from './analysis/training-batch.ts';
import { chartScript } from './components/chart-script.ts';
import { csvScript } from './components/csv-script.ts';
import { renderCost } from './sections/cost-section.ts';
import { renderDetector } from './sections/detector-section.ts';
import { renderHistory } from './sections/history-section.ts';
import { renderCurves } from './sections/curves-section.ts';
import { renderGap } from './gap/gap-section.ts';
import { renderKeyFigures } from './sections/key-figures.ts';
import { markup } from './components/markup.ts';
import { renderPage } from './components/page.ts';
import { renderResults } from './sections/results-section.ts';
import { summarizeRun } from './sections/run-facts.ts';
import { renderReproduce, renderSetup } from './sections/setup-section.ts';

/** Renders the complete report as one HTML page. */
export function renderHtml(report: Report, analysis?: Analysis): string {
  const known = explainMissing(report, analysis) === undefined ? analysis : undefined;
  const bootstrap = known?.bootstrap ?? null;
  const sections = [
    renderResults(report, bootstrap),
    renderDetector(report),
    renderGap(report),
    isEvaluation(report.plan) ? undefined : renderCurves(report),
    ...renderAnalysis(report, analysis),
    renderHistory(report),
    renderCost(report),
    renderSetup(report),
    renderReproduce(report),
  ].filter((one) => one !== undefined);
  return renderPage({
    kind: 'everswin training report',
    title: report.runId,
    summary: markup`<p class="verdict">${report.verdict}</p>
<p class="note">${summarizeRun(report)}</p>
${renderKeyFigures(report, known)}`,
    sections,
    style: markup`${galleryStyle}${trainingBatchStyle}${confusionStyle}`,
    script: markup`${chartScript}${csvScript}${galleryScript}`,
  });
}
