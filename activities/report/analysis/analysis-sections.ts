import type { Analysis, Report } from '../../../configs/schema/index.ts';
import { markup } from '../components/markup.ts';
import type { Section } from '../components/section.ts';
import { renderClasses } from './classes-section.ts';
import { renderConfusion } from './confusion-section.ts';
import { renderDistribution } from './distribution-section.ts';
import { renderErrors } from './errors-section.ts';
import { renderGallery } from './gallery-section.ts';
import { renderPrecision } from './precision-section.ts';
import { renderThresholds } from './thresholds-section.ts';

/** Explains why the analysis cannot be shown. @returns undefined if it can. */
export function explainMissing(report: Report, analysis: Analysis | undefined): string | undefined {
  if (analysis === undefined)
    return 'The test of this run wrote no analysis.json, so results by class, error and image are not available.';
  if (analysis.checkpointSha256 !== report.metrics.checkpointSha256)
    return 'The analysis.json next to this report belongs to another checkpoint and is not shown.';
  return undefined;
}

/** Renders gallery, classes, curves, thresholds, errors, confusion and data, or one sentence if there is no analysis. */
export function renderAnalysis(report: Report, analysis: Analysis | undefined): Section[] {
  const missing = explainMissing(report, analysis);
  if (analysis === undefined || missing !== undefined)
    return [{ id: 'classes', title: 'Classes, errors and images', body: markup`<p class="note">${missing ?? ''}</p>` }];
  return [
    renderGallery(analysis),
    renderClasses(analysis),
    renderPrecision(analysis),
    renderThresholds(analysis),
    renderErrors(analysis),
    renderConfusion(analysis),
    renderDistribution(analysis),
  ].filter((one) => one !== undefined);
}
