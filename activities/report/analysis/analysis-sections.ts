import type { Analysis, Report } from '../../../configs/schema/index.ts';
import { markup } from '../draw/markup.ts';
import type { Section } from '../draw/section.ts';
import { drawClasses } from './classes-section.ts';
import { drawErrors } from './errors-section.ts';
import { drawGallery } from './gallery-section.ts';
import { drawPrecision } from './precision-section.ts';

/** Why there is nothing to draw; undefined where there is. */
export function explainMissing(report: Report, analysis: Analysis | undefined): string | undefined {
  if (analysis === undefined)
    return 'The test of this run left no analysis.json, so there is nothing to say about single classes, errors and images.';
  if (analysis.checkpointSha256 !== report.metrics.checkpointSha256)
    return 'The analysis.json beside this report is of another checkpoint than its numbers, so it is not drawn.';
  return undefined;
}

/** Per class, curves, errors, gallery; one plain sentence where the analysis is not there. */
export function drawAnalysis(report: Report, analysis: Analysis | undefined): Section[] {
  const missing = explainMissing(report, analysis);
  if (analysis === undefined || missing !== undefined)
    return [{ id: 'classes', title: 'Classes, errors and images', body: markup`<p class="note">${missing ?? ''}</p>` }];
  return [drawClasses(analysis), drawPrecision(analysis), drawErrors(analysis), drawGallery(analysis)];
}
