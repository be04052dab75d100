import type { Analysis, Report } from '../../configs/schema/index.ts';
import { isEvaluation } from '../../configs/schema/plan-weights.ts';
import { drawAnalysis, explainMissing } from './analysis/analysis-sections.ts';
import { drawCost } from './sections/cost-section.ts';
import { drawCourse } from './sections/history-section.ts';
import { drawCurves } from './sections/curves-section.ts';
import { drawGap } from './gap/gap-section.ts';
import { drawKeyFigures } from './sections/key-figures.ts';
import { markup } from './draw/markup.ts';
import { drawPage } from './draw/page.ts';
import { drawResults } from './sections/results-section.ts';
import { summarizeRun } from './sections/run-facts.ts';
import { drawRepeat, drawSetup } from './sections/setup-section.ts';

/** Renders the complete report as one HTML page. */
export function renderHtml(report: Report, analysis?: Analysis): string {
  const known = explainMissing(report, analysis) === undefined ? analysis : undefined;
  const bootstrap = known?.bootstrap ?? null;
  const sections = [
    drawResults(report, bootstrap),
    drawGap(report),
    isEvaluation(report.plan) ? undefined : drawCurves(report),
    ...drawAnalysis(report, analysis),
    drawCourse(report),
    drawCost(report),
    drawSetup(report),
    drawRepeat(report),
  ].filter((one) => one !== undefined);
  return drawPage({
    kind: 'everswin training report',
    title: report.runId,
    summary: markup`<p class="verdict">${report.verdict}</p>
<p class="note">${summarizeRun(report)}</p>
${drawKeyFigures(report, bootstrap)}`,
    sections,
  });
}
