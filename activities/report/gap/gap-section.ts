import type { Evidence, Report } from '../../../configs/schema/index.ts';
import { type Markup, markup } from '../components/markup.ts';
import type { Section } from '../components/section.ts';
import { diagnoseGap, type GapDiagnosis, type RuledOut } from './diagnose-gap.ts';
import type { Difference } from './differences.ts';
import { formatEffect, formatGap, formatReferences, isOtherDataset } from './gap-text.ts';

/** Explains the gap to the published model. @returns undefined if there is no published model. */
export function renderGap(report: Report): Section | undefined {
  const gap = diagnoseGap(report);
  if (gap === undefined) return undefined;
  return {
    id: 'gap',
    title: 'Comparison with the published model',
    body: markup`<p class="lead">${formatGap(gap)}</p>
<p class="note">${formatReferences(gap, report.metrics)}</p>
${isOtherDataset(gap) ? '' : renderShape(gap)}
<h3>Differences, most costly first</h3>
<ol class="differences">${gap.differences.map(renderDifference)}</ol>
${gap.differences.length === 0 ? markup`<p class="note">No known setting differs.</p>` : ''}
${renderRuledOut(gap.ruledOut)}
${renderInference(gap)}
<p class="note">Equal settings: ${gap.agreements.join(', ') || 'none known'}.${gap.unknown.length > 0 ? ` Unknown for this run: ${gap.unknown.join(', ')}.` : ''} Source of the published settings: ${gap.source}.</p>`,
  };
}

const renderShape = ({ shape }: GapDiagnosis): Markup =>
  markup`<h3>Shape of the gap</h3><ul>${shape.findings.map((one) => markup`<li>${one}</li>`)}</ul>`;

const renderDifference = ({ aspect, ours, theirs, effect }: Difference): Markup => markup`
<li><div class="difference-head"><b>${aspect}</b> <span class="effect ${effect.basis}">${formatEffect(effect)}</span></div>
<p>${ours} <span class="soft">instead of ${theirs}</span></p>
<p class="soft">${effect.summary}</p>${renderEvidence(effect.evidence)}</li>`;

const renderEvidence = (evidence: readonly Evidence[]): Markup | string =>
  evidence.length === 0
    ? ''
    : markup`<ul class="evidence">${evidence.map(({ finding, source }) => markup`<li>${finding} <cite>${source}</cite></li>`)}</ul>`;

const renderRuledOut = (ruledOut: readonly RuledOut[]): Markup | string =>
  ruledOut.length === 0
    ? ''
    : markup`<h3>Ruled out</h3>${ruledOut.map(
        ({ claim, reason, inThisRun, evidence }) =>
          markup`<p><s>${claim}</s></p><p class="soft">${reason} ${inThisRun}</p>${renderEvidence(evidence)}`,
      )}`;

const renderInference = ({ inference }: GapDiagnosis): Markup | string =>
  inference.length === 0 ? '' : markup`<h3>Inferences</h3><ul>${inference.map((one) => markup`<li>${one}</li>`)}</ul>`;
