import { apKinds } from '../shared/summary/coco-rows.ts';
import { formatScore } from '../shared/summary/format-score.ts';
import type { ComparedScore, Comparison } from '../../configs/schema/index.ts';
import { escapeMarkdown, tabulate } from '../report/components/markdown-table.ts';
import { formatComparisonVerdict } from './comparison-verdict.ts';
import { formatDifference } from './format-difference.ts';

/** Renders a summary of the comparison for a pull request or a wiki. */
export const renderComparisonMarkdown = (comparison: Comparison): string =>
  [
    `# ${escapeMarkdown(comparison.runs.map(({ runId }) => runId).join(' · '))}`,
    ...formatComparisonVerdict(comparison).map(escapeMarkdown),
    ...tabulateComparison(comparison),
  ].join('\n\n') + '\n';

/** Renders the tables below the verdict. */
export function tabulateComparison({ runs, plan, metrics, classes }: Comparison): string[] {
  const headings = runs.flatMap(({ runId }, place) => (place === 0 ? [`${runId}:`] : [`${runId}:`, '±:']));
  return [
    '## Plan',
    plan.length === 0
      ? 'The plans are identical.'
      : tabulate(
          ['field', ...runs.map(({ runId }) => runId)],
          plan.map(({ field, values }) => [field, ...values.map((value) => value ?? '–')]),
        ),
    ...apKinds.flatMap(({ key, title }) => [
      `## ${title}`,
      tabulate(
        ['measure', ...headings],
        metrics.filter(({ kind }) => kind === key).map((one) => [one.key, ...listCells(one)]),
      ),
    ]),
    '## Box AP by class, largest change first',
    tabulate(
      ['class', ...headings],
      classes.map(({ name, bbox }) => [name, ...listCells(bbox)]),
    ),
  ];
}

const listCells = ({ scores, differences }: ComparedScore): string[] =>
  scores.flatMap((score, place) => {
    const difference = differences[place - 1];
    return difference === undefined ? [formatScore(score)] : [formatScore(score), formatDifference(difference)];
  });
