import type { Evidence, Report } from '../../../configs/schema/index.ts';
import { type Markup, markup } from '../draw/markup.ts';
import type { Section } from '../draw/section.ts';
import { diagnoseGap, type GapDiagnosis, type RuledOut } from './diagnose.ts';
import type { Difference } from './differences.ts';
import { describeEffect, describeGap, describeMeasure, isOtherData } from './gap-text.ts';

/** Why this run's numbers are not the published ones; nothing where nobody published any. */
export function drawGap(report: Report): Section | undefined {
  const gap = diagnoseGap(report);
  if (gap === undefined) return undefined;
  return {
    id: 'gap',
    title: 'Against the published model',
    body: markup`<p class="lead">${describeGap(gap)}</p>
<p class="note">${describeMeasure(gap, report.metrics)}</p>
${isOtherData(gap) ? '' : drawShape(gap)}
<h3>What differs, the costliest first</h3>
<ol class="differences">${gap.differences.map(drawDifference)}</ol>
${gap.differences.length === 0 ? markup`<p class="note">Nothing that is known of both.</p>` : ''}
${drawRuledOut(gap.ruledOut)}
${drawInference(gap)}
<p class="note">Alike: ${gap.alike.join(', ') || 'nothing that is known'}.${gap.unknown.length > 0 ? ` Not known of this run: ${gap.unknown.join(', ')}.` : ''} Published settings: ${gap.source}.</p>`,
  };
}

const drawShape = ({ shape }: GapDiagnosis): Markup =>
  markup`<h3>Shape of the gap</h3><ul>${shape.says.map((one) => markup`<li>${one}</li>`)}</ul>`;

const drawDifference = ({ about, ours, theirs, effect }: Difference): Markup => markup`
<li><div class="difference-head"><b>${about}</b> <span class="effect ${effect.basis}">${describeEffect(effect)}</span></div>
<p>${ours} <span class="soft">instead of ${theirs}</span></p>
<p class="soft">${effect.says}</p>${drawEvidence(effect.evidence)}</li>`;

const drawEvidence = (evidence: readonly Evidence[]): Markup | string =>
  evidence.length === 0
    ? ''
    : markup`<ul class="evidence">${evidence.map(({ says, source }) => markup`<li>${says} <cite>${source}</cite></li>`)}</ul>`;

const drawRuledOut = (ruledOut: readonly RuledOut[]): Markup | string =>
  ruledOut.length === 0
    ? ''
    : markup`<h3>Ruled out</h3>${ruledOut.map(
        ({ claim, why, here, evidence }) =>
          markup`<p><s>${claim}</s></p><p class="soft">${why} ${here}</p>${drawEvidence(evidence)}`,
      )}`;

const drawInference = ({ inference }: GapDiagnosis): Markup | string =>
  inference.length === 0
    ? ''
    : markup`<h3>What of this is inference</h3><ul>${inference.map((one) => markup`<li>${one}</li>`)}</ul>`;
