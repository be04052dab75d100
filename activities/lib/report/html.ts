import type { Report } from '../../../configs/schema.ts';
import { drawCourse } from './course-section.ts';
import { drawCurves } from './curves-section.ts';
import { markup } from './markup.ts';
import { pageStyle } from './page-style.ts';
import { drawResults } from './results-section.ts';
import { summarizeRun } from './run-facts.ts';
import { drawSetup } from './setup-section.ts';

/** One page that needs nothing else: no script, no network, nothing unescaped. */
export const renderHtml = (report: Report): string =>
  markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
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
</header>
${drawResults(report)}
${drawCurves(report)}
${drawCourse(report)}
${drawSetup(report)}
</main>
</body>
</html>
`.toString();
