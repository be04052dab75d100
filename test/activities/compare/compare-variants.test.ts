import { expect, test } from 'vitest';
import { compareVariants, type FinishedRun } from '../../../activities/compare/compare-variants.ts';
import { renderSweepHtml, renderSweepMarkdown } from '../../../activities/compare/render-sweep.ts';
import { SweepInput, SweepReport, type VariantStatus } from '../../../configs/schema/index.ts';
import { hostileTexts } from '../../fixtures/hostile-texts.ts';
import { sampleAnalysis } from '../../fixtures/sample-analysis.ts';
import { sampleReport, blogMetrics } from '../../fixtures/sample-report.ts';
import { miniInput } from '../../helpers/mini-run.ts';
import { readHtml } from '../report/read-html.ts';

const base: Partial<typeof miniInput> = { ...miniInput };
delete base.name;
const sweep = SweepInput.parse({
  version: 1,
  name: 'lr',
  base,
  variants: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
});

const done = (variant: string, bboxAP: number, change: Partial<VariantStatus> = {}): VariantStatus => ({
  variant,
  runId: `lr-${variant}`,
  state: 'done',
  joined: false,
  scores: [],
  stoppedEarly: null,
  failure: null,
  result: { uri: 'file:///report', bboxAP, segmAP: 0.4 },
  ...change,
});
const failed = (variant: string, message: string): VariantStatus =>
  done(variant, 0, { state: 'failed', result: null, failure: { code: 'TrainingFailed', message } });

const runOf = (runId: string, AP: number, annotations = 'e'): FinishedRun => ({
  report: sampleReport({ runId, metrics: { ...blogMetrics, bbox: { ...blogMetrics.bbox, AP } } }),
  analysis: sampleAnalysis({ annotationsSha256: annotations.repeat(64) }),
  bootstrap: undefined,
});
const compare = (variants: VariantStatus[], runs: Record<string, FinishedRun>) =>
  compareVariants(sweep, variants, new Map(Object.entries(runs)), 1).report;

test('compareVariants picks the best final test and claims no significance without shared resamples', () => {
  const report = compare([done('a', 0.3), done('b', 0.5)], { 'lr-a': runOf('lr-a', 0.3), 'lr-b': runOf('lr-b', 0.5) });
  expect(SweepReport.parse(report).winner).toBe('b');
  expect(report.verdict).toEqual([
    'b wins with box AP 50.0: +20.0 compared with a. The significance of the difference is unknown.',
  ]);
  expect(report.comparison?.runs.map(({ runId }) => runId)).toEqual(['lr-b', 'lr-a']);
});

test('compareVariants names no winner when runs were tested on different annotations', () => {
  const report = compare([done('a', 0.3), done('b', 0.5)], {
    'lr-a': runOf('lr-a', 0.3),
    'lr-b': runOf('lr-b', 0.5, 'f'),
  });
  expect(report.winner).toBeNull();
  expect(report.verdict).toEqual(['No winner.']);
  expect(report.notCompared[0]).toContain('not tested on the same data');
});

test('compareVariants reports an unreadable run and gives it no interval of another run', () => {
  const report = compare([done('a', 0.3), done('b', 0.5), done('c', 0.4)], {
    'lr-a': runOf('lr-a', 0.3),
    'lr-b': { error: 'no analysis.json' },
    'lr-c': runOf('lr-c', 0.4),
  });
  expect([report.winner, report.notCompared]).toEqual(['b', ['b: no analysis.json']]);
  expect(report.verdict[0]).toContain('+10.0 compared with c. The significance');
});

test('compareVariants lists failed and stopped variants with the reason', () => {
  const stopped = done('b', 0.2, { stoppedEarly: 'after epoch 3: far behind' });
  const report = compare([done('a', 0.3), stopped, failed('c', 'Training stopped: x.\nlog line')], {
    'lr-a': runOf('lr-a', 0.3),
    'lr-b': runOf('lr-b', 0.2),
  });
  expect(report.verdict.slice(1)).toEqual([
    'b: done, stopped early after epoch 3: far behind.',
    'c: failed; TrainingFailed: Training stopped: x.',
  ]);
});

test('sweep pages escape texts that come from runs', () => {
  const draw = (text: string): SweepReport => {
    const report = compare([done('a', 0.3), failed('c', text)], { 'lr-a': runOf('lr-a', 0.3) });
    return { ...report, notCompared: [text] };
  };
  const plain = readHtml(renderSweepHtml(draw('plain'), []));
  for (const text of hostileTexts) {
    expect(readHtml(renderSweepHtml(draw(text), [])).tags).toEqual(plain.tags);
    const rows = renderSweepMarkdown(draw(text))
      .split('\n')
      .filter((line) => line.startsWith('| c '));
    expect(rows).toHaveLength(1);
  }
});
