import { formatAp } from '../shared/summary/format-score.ts';
import { formatVariantState } from '../shared/summary/format-variant.ts';
import type { EarlyStopRule, SweepReport } from '../../configs/schema/index.ts';
import { escapeMarkdown, tabulate } from '../report/components/markdown-table.ts';
import { type Markup, markup } from '../report/components/markup.ts';
import { renderPage } from '../report/components/page.ts';
import type { Section } from '../report/components/section.ts';
import { type ComparedCurves, renderComparison, explainIntervals, maxCurves } from './render-html.ts';
import { tabulateComparison } from './render-markdown.ts';

const headings = ['Variant', 'Changes', 'Box AP:', 'Mask AP:', 'State'];

/** Renders a summary of a sweep for a pull request or a wiki. */
export const renderSweepMarkdown = (report: SweepReport): string =>
  [
    `# ${escapeMarkdown(report.name)}`,
    ...listNotes(report).map(escapeMarkdown),
    '## Variants',
    tabulate(headings, listRows(report)),
    ...(report.comparison === null ? [] : tabulateComparison(report.comparison)),
  ].join('\n\n') + '\n';

/** Renders a page with the winner, all variants, and a comparison of the finished ones. */
export const renderSweepHtml = (report: SweepReport, curves: readonly ComparedCurves[]): string =>
  renderPage({
    kind: 'everswin sweep',
    title: report.name,
    summary: markup`${listNotes(report).map((sentence) => markup`<p class="verdict">${sentence}</p>`)}
${report.comparison === null ? '' : renderNote(report.comparison, curves.length)}`,
    sections: [
      renderVariants(report),
      ...(report.comparison === null ? [] : renderComparison(report.comparison, curves)),
    ],
  });

const renderNote = (comparison: NonNullable<SweepReport['comparison']>, curves: number): Markup =>
  markup`<p class="note">Each run is compared with the best one. ${explainIntervals(comparison)}${
    curves > maxCurves ? ` Curves show the best ${maxCurves}.` : ''
  }</p>`;

const renderVariants = (report: SweepReport): Section => ({
  id: 'variants',
  title: 'Variants',
  body: markup`<div class="scroll" role="region" aria-label="Variants" tabindex="0"><table class="plain">
<thead><tr>${headings.map(renderHeading)}</tr></thead>
<tbody>${listRows(report).map(renderRow)}</tbody></table></div>`,
});

const renderHeading = (heading: string): Markup =>
  heading.endsWith(':')
    ? markup`<th scope="col" class="number">${heading.slice(0, -1)}</th>`
    : markup`<th scope="col">${heading}</th>`;

function renderRow([variant = '', ...cells]: readonly string[]): Markup {
  const renderedCells = cells.map((cell, place) =>
    headings[place + 1]?.endsWith(':') ? markup`<td class="number">${cell}</td>` : markup`<td>${cell}</td>`,
  );
  return markup`<tr><th scope="row">${variant}</th>${renderedCells}</tr>`;
}

const listRows = ({ variants, winner }: SweepReport): string[][] =>
  variants.map((one) => [
    one.variant === winner ? `${one.variant} (best)` : one.variant,
    one.changes,
    ...[formatAp(one.result?.bboxAP), formatAp(one.result?.segmAP), formatVariantState(one)],
  ]);

const listNotes = ({ verdict, notCompared, earlyStop }: SweepReport): string[] => [
  ...verdict,
  ...notCompared.map((why) => `Not compared: ${why}`),
  ...(earlyStop === null ? [] : [formatRule(earlyStop)]),
];

const formatRule = ({ afterEpoch, pointsBehind }: EarlyStopRule): string =>
  `Early stopping: from epoch ${afterEpoch}, a variant stops if its validation box AP is more than ${pointsBehind} points below the best at the same epoch.`;
