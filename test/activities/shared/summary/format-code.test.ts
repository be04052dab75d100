import { expect, test } from 'vitest';
import { renderModelCard } from '../../../../activities/detector/model-card.ts';
import { renderHtml } from '../../../../activities/report/html.ts';
import { renderMarkdown } from '../../../../activities/report/markdown.ts';
import { formatCodeChanges } from '../../../../activities/shared/summary/format-code.ts';
import { buildLedger } from '../../../../activities/shared/summary/ledger.ts';
import type { CodeVersion, RunStatus } from '../../../../configs/schema/index.ts';
import { formatRunStatus } from '../../../../infra/terminal/format-run-status.ts';
import { renderRunDetails } from '../../../../workflows/train/run-details.ts';
import { sampleAttempt, sampleReport } from '../../../fixtures/sample-report.ts';
import { miniPlan } from '../../../helpers/mini-run.ts';
import { someMetrics } from '../../../helpers/stub-activities.ts';

const code = (everswin: string, training = 1, commit?: string): CodeVersion => ({
  everswin,
  commit,
  trainer: { training },
});
const runOf = (...codes: (CodeVersion | undefined | 'no step')[]) =>
  codes.map((one, index) =>
    one === 'no step'
      ? { attempt: index + 1, fromIteration: null }
      : { attempt: index + 1, fromIteration: 8 * index, code: one },
  );

test('formatCodeChanges returns nothing while the code stays the same', () => {
  expect(formatCodeChanges([])).toBeUndefined();
  expect(formatCodeChanges(runOf(code('0.3.0'), 'no step', code('0.3.0')))).toBeUndefined();
  expect(formatCodeChanges(runOf(undefined, undefined))).toBeUndefined();
});

test('formatCodeChanges names versions, commits, and whether results change', () => {
  const run = runOf(
    code('0.3.0', 1, '1a2b3c'),
    'no step',
    code('0.3.0', 1, '6f5e4d'),
    code('0.4.0', 2),
    code('0.4.0', 2),
  );
  expect(formatCodeChanges(run)).toBe(
    'attempt 3: everswin 0.3.0 (1a2b3c) → everswin 0.3.0 (6f5e4d), same results; ' +
      'attempt 4: everswin 0.3.0 (6f5e4d) → everswin 0.4.0, other results (trainer dataset 1, weights 1, training 1 → ' +
      'dataset 1, weights 1, training 2)',
  );
  expect(formatCodeChanges(runOf(undefined, code('0.3.0')))).toBe(
    'attempt 2: an earlier version → everswin 0.3.0, same results',
  );
});

test('status, UI, report and model card show a change of the code', () => {
  const attempts = [code('0.2.0'), code('0.3.0')].map((one, index) => sampleAttempt({ attempt: index + 1, code: one }));
  const status: RunStatus = {
    runId: 'r',
    recipe: 'mini',
    stage: 'training',
    progress: null,
    checks: [],
    steps: [],
    attempts,
    decisions: [],
    ledger: buildLedger([], 0),
    control: null,
    notice: null,
    waiting: null,
    report: null,
    page: null,
  };
  const report = sampleReport({ attempts });
  const codeChanges = formatCodeChanges(attempts);
  const card = { plan: miniPlan, metrics: someMetrics, classes: [], environment: {}, codeChanges };
  const change = 'attempt 2: everswin 0.2.0 → everswin 0.3.0, same results';
  expect(formatRunStatus(status)).toContain(`  code       ${change}`);
  expect(renderRunDetails(status)).toContain(`| **Code** | ${change} |`);
  expect(renderMarkdown(report)).toContain(`Code changed: ${change}.`);
  expect(renderHtml(report)).toContain(`Code changed: ${change}.`);
  expect(renderModelCard(card)).toContain(`| code changed | ${change} |`);
});
