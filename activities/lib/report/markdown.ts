import type { Report } from '../../../configs/schema.ts';
import { apKinds, apRows, describeApRow } from '../../../configs/coco-rows.ts';
import { describeGoodput, formatKnown } from './ledger-section.ts';
import { showControls } from './markup.ts';
import {
  describeOrigin,
  describeRepeatedSteps,
  endingNames,
  findStart,
  kindNames,
  listHashes,
  summarizeRun,
} from './run-facts.ts';
import { formatDifference, formatScore, pointsAbove } from '../../../configs/coco-score.ts';
import { formatCount, formatDuration, formatElapsed } from '../../../configs/time-text.ts';

/** The report in short, for a pull request or a wiki. */
export const renderMarkdown = (report: Report): string =>
  [
    `# ${escapeMarkdown(report.runId)}`,
    escapeMarkdown(report.verdict),
    escapeMarkdown(summarizeRun(report)),
    '## Results',
    ...apKinds.flatMap(({ key, title }) => [`### ${title}`, tabulateScores(report, key)]),
    '## Course of the run',
    describeRepeatedSteps(report),
    '### Pipeline steps',
    report.steps.map(({ step, why }) => `- ${step}: ${escapeMarkdown(why)}`).join('\n'),
    '### Attempts',
    tabulateAttempts(report),
    describeGoodput(report.ledger),
    ...tabulateInterruptions(report),
    tabulateTimeline(report),
    '## Dry run',
    tabulate(
      ['about', 'verdict', 'found'],
      report.checks.map(({ about, verdict, says }) => [about, verdict, says]),
    ),
    '## Hashes (sha256)',
    tabulate(['of', 'sha256'], listHashes(report)),
  ].join('\n\n') + '\n';

const tabulateScores = ({ metrics, references }: Report, kind: 'bbox' | 'segm'): string =>
  tabulate(
    ['', '', 'this run:', ...references.flatMap(({ label }) => [`${label}:`, '± points:'])],
    apRows.map((row) => {
      const ours = metrics[kind][row.key];
      const beside = references.flatMap((reference) => {
        const theirs = reference[kind][row.key];
        return [formatScore(theirs), formatDifference(pointsAbove(ours, theirs))];
      });
      return [row.key, describeApRow(row), formatScore(ours), ...beside];
    }),
  );

const tabulateAttempts = ({ attempts }: Report): string =>
  tabulate(
    ['attempt:', 'start', 'from iteration:', 'to:', 'ending', 'duration:', 'cause'],
    attempts.map((one) => [
      String(one.attempt),
      describeOrigin(one),
      formatCount(one.fromIteration),
      formatCount(one.toIteration),
      endingNames[one.ending],
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
    formatKnown(one.detectionSeconds),
    formatCount(one.stepsLost),
    formatKnown(one.recoverySeconds),
  ]);
  const headings = ['time:', 'class', 'cause', 'noticed after:', 'steps lost:', 'stepping again after:'];
  return rows.length === 0 ? [] : [tabulate(headings, rows)];
}

function tabulateTimeline(report: Report): string {
  const start = findStart(report);
  const rows = report.timeline.map(({ at, kind, what, iteration }) => [
    formatElapsed(at - start),
    kindNames[kind],
    what,
    formatCount(iteration),
  ]);
  return tabulate(['time:', 'event', 'what', 'iteration:'], rows);
}

/** A heading that ends in a colon stands over numbers: right-aligned. */
function tabulate(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = headings.map((heading) => heading.replace(/:$/, ''));
  const rule = `| ${headings.map((heading) => (heading.endsWith(':') ? '--:' : '---')).join(' | ')} |`;
  return [printRow(head), rule, ...rows.map(printRow)].join('\n');
}

const printRow = (cells: readonly string[]): string => `| ${cells.map(escapeMarkdown).join(' | ')} |`;

/** On one line, with every sign that means something to Markdown or HTML made plain text. */
const escapeMarkdown = (text: string): string =>
  showControls(text)
    .replace(/\s*\n\s*/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\\`*_{}[\]|#~]/g, (sign) => `\\${sign}`);
