import type { Analysis, Report } from '../../configs/schema/index.ts';
import { apKinds, apRows, formatApRow } from '../shared/summary/coco-rows.ts';
import { explainMissing } from './analysis/analysis-sections.ts';
import { rankClasses } from './analysis/classes-section.ts';
import { formatErrors } from './analysis/errors-section.ts';
import { listColumns } from './components/columns.ts';
import { formatHours, computeCost, roundHours } from './sections/cost.ts';
import { formatUse } from './sections/cost-section.ts';
import { diagnoseGap } from './gap/diagnose-gap.ts';
import { formatEffect, formatGap, isOtherDataset } from './gap/gap-text.ts';
import { listDetector } from './sections/detector-section.ts';
import { formatGoodput, formatSeconds } from './sections/ledger-section.ts';
import { escapeMarkdown, tabulate } from './components/markdown-table.ts';
import {
  formatOrigin,
  formatRepeatedSteps,
  formatTrainingSpeed,
  outcomeNames,
  findStart,
  listData,
  eventNames,
  listHashes,
  summarizeRun,
} from './sections/run-facts.ts';
import { formatCodeChanges } from '../shared/summary/format-code.ts';
import { formatDifference, formatScore, pointsAbove } from '../shared/summary/format-score.ts';
import { formatCount, formatDuration, formatElapsed } from '../shared/summary/format-time.ts';

/** Renders a summary of the report for a pull request or a wiki. */
export const renderMarkdown = (report: Report, analysis?: Analysis): string =>
  [
    `# ${escapeMarkdown(report.runId)}`,
    escapeMarkdown(report.verdict),
    escapeMarkdown(summarizeRun(report)),
    '## Results',
    ...apKinds.flatMap(({ key, title }) => [`### ${title}`, tabulateScores(report, key)]),
    ...writeDetector(report),
    ...writeGap(report),
    ...writeAnalysis(report, analysis),
    '## Run history',
    formatRepeatedSteps(report),
    ...writeCodeChanges(report),
    '### Pipeline steps',
    report.steps.map(({ step, why }) => `- ${step}: ${escapeMarkdown(why)}`).join('\n'),
    '### Attempts',
    tabulateAttempts(report),
    formatGoodput(report.ledger),
    ...tabulateInterruptions(report),
    tabulateTimeline(report),
    '## Cost',
    ...writeCost(report),
    '## Data',
    listData(report)
      .map(([name, value]) => `- ${name}: ${escapeMarkdown(value)}`)
      .join('\n'),
    '## Dry run',
    tabulate(
      ['check', 'verdict', 'result'],
      report.checks.map(({ name, verdict, message }) => [name, verdict, message]),
    ),
    '## Hashes (sha256)',
    tabulate(['item', 'sha256'], listHashes(report)),
  ].join('\n\n') + '\n';

function tabulateScores(report: Report, kind: 'bbox' | 'segm'): string {
  const columns = listColumns(report);
  const headings = columns.flatMap(({ label, isCompared }) => [
    isCompared ? `${label}:` : `${label} (another recipe):`,
    '± points:',
  ]);
  const rows = apRows.map((row) => {
    const ours = report.metrics[kind][row.key];
    const published = columns.flatMap((column) => {
      const theirs = column[kind][row.key];
      return [formatScore(theirs), formatDifference(pointsAbove(ours, theirs))];
    });
    return [row.key, formatApRow(row), formatScore(ours), ...published];
  });
  return tabulate(['', '', 'this run:', ...headings], rows);
}

const writeDetector = ({ detector }: Report): string[] =>
  detector === undefined ? [] : ['## Detector', tabulate(['file', 'sha256'], listDetector(detector))];

function writeGap(report: Report): string[] {
  const gap = diagnoseGap(report);
  if (gap === undefined) return [];
  const rows = gap.differences.map(({ aspect, ours, theirs, effect }) => [aspect, ours, theirs, formatEffect(effect)]);
  return [
    '## Comparison with the published model',
    escapeMarkdown(formatGap(gap)),
    ...(isOtherDataset(gap) ? [] : gap.shape.findings.map(escapeMarkdown)),
    tabulate(['setting', 'this run', 'published', 'known effect'], rows),
    ...gap.ruledOut.map(
      ({ claim, reason, inThisRun }) => `Ruled out: ${escapeMarkdown(`${claim} ${reason} ${inThisRun}`)}`,
    ),
    ...gap.inference.map((one) => `Inference: ${escapeMarkdown(one)}`),
  ];
}

function writeAnalysis(report: Report, analysis: Analysis | undefined): string[] {
  if (analysis === undefined || explainMissing(report, analysis) !== undefined) return [];
  const weakest = rankClasses(analysis.classes).slice(0, 10);
  const rows = weakest.map(({ name, instances, bbox, segm }) => [
    name,
    formatCount(instances),
    formatScore(bbox.AP),
    formatScore(segm.AP),
  ]);
  return [
    '## Weakest classes and errors',
    escapeMarkdown(formatErrors(analysis.errors.bbox)),
    tabulate(['class', 'objects:', 'box AP:', 'mask AP:'], rows),
  ];
}

function writeCost(report: Report): string[] {
  const cost = computeCost(report);
  const speed = formatTrainingSpeed(report);
  const rows = cost.parts.map(({ name, seconds, deviceHours }) => [
    name,
    formatDuration(seconds),
    roundHours(deviceHours),
  ]);
  return [
    `${formatHours(cost.deviceHours, cost.device)}, ${formatUse(cost)}.`,
    tabulate(['part', 'time:', `${cost.device}-hours:`], rows),
    ...(speed === undefined ? [] : [escapeMarkdown(speed)]),
  ];
}

function writeCodeChanges({ attempts }: Report): string[] {
  const changes = formatCodeChanges(attempts);
  return changes === undefined ? [] : [escapeMarkdown(`Code changed: ${changes}.`)];
}

const tabulateAttempts = ({ attempts }: Report): string =>
  tabulate(
    ['attempt:', 'start', 'from iteration:', 'to:', 'outcome', 'duration:', 'cause'],
    attempts.map((one) => [
      String(one.attempt),
      formatOrigin(one),
      formatCount(one.fromIteration),
      formatCount(one.toIteration),
      outcomeNames[one.outcome],
      formatDuration(one.endedAt - one.startedAt),
      one.cause ?? '',
    ]),
  );

function tabulateInterruptions(report: Report): string[] {
  const start = findStart(report);
  const rows = report.ledger.interruptions.map((one) => [
    formatElapsed(one.at - start),
    one.class,
    one.cause,
    formatSeconds(one.detectionSeconds),
    formatCount(one.stepsLost),
    formatSeconds(one.recoverySeconds),
  ]);
  const headings = ['time:', 'class', 'cause', 'detected after:', 'steps lost:', 'recovered after:'];
  return rows.length === 0 ? [] : [tabulate(headings, rows)];
}

function tabulateTimeline(report: Report): string {
  const start = findStart(report);
  const rows = report.timeline.map(({ at, kind, what, iteration }) => [
    formatElapsed(at - start),
    eventNames[kind],
    what,
    formatCount(iteration),
  ]);
  return tabulate(['time:', 'event', 'details', 'iteration:'], rows);
}
