import type { Analysis, Report } from '../../../configs/schema.ts';
import { isEvaluation } from '../../../configs/starting-weights.ts';
import { drawAnalysis, explainMissing } from './analysis/analysis-sections.ts';
import { contentPolicy } from './content-policy.ts';
import { drawCost } from './cost-section.ts';
import { drawCourse } from './course-section.ts';
import { drawCurves } from './curves-section.ts';
import { drawGap } from './gap/gap-section.ts';
import { drawKeyFigures } from './key-figures.ts';
import { markup } from './markup.ts';
import { pageScript } from './page-script.ts';
import { pageStyle } from './page-style.ts';
import { drawResults } from './results-section.ts';
import { summarizeRun } from './run-facts.ts';
import { drawContents, drawSection } from './section.ts';
import { drawRepeat, drawSetup } from './setup-section.ts';

/** One page that needs nothing else: no network, nothing unescaped, and nothing lost where scripts are off. */
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
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy(String(pageStyle), String(pageScript))}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${report.runId} · everswin</title>
<style>${pageStyle}</style>
</head>
<body>
<main>
<header>
<p class="brand">everswin training report</p>
<h1>${report.runId}</h1>
<p class="verdict">${report.verdict}</p>
<p class="note">${summarizeRun(report)}</p>
${drawKeyFigures(report, bootstrap)}
${drawContents(sections)}
</header>
${sections.map(drawSection)}
</main>
<script>${pageScript}</script>
</body>
</html>
`.toString();
}
