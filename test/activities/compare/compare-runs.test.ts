import { expect, test } from 'vitest';
import { compareRuns } from '../../../activities/compare/compare-runs.ts';
import { formatComparisonVerdict } from '../../../activities/compare/comparison-verdict.ts';
import type { ComparedRun } from '../../../activities/compare/load-run.ts';
import { differenceInterval } from '../../../activities/compare/paired-bootstrap.ts';
import { renderComparisonHtml } from '../../../activities/compare/render-html.ts';
import { renderComparisonMarkdown } from '../../../activities/compare/render-markdown.ts';
import { Comparison, type Bootstrap } from '../../../configs/schema/index.ts';
import { hostileTexts } from '../../fixtures/hostile-texts.ts';
import { sampleAnalysis } from '../../fixtures/sample-analysis.ts';
import { samplePlan, sampleReport, blogMetrics } from '../../fixtures/sample-report.ts';
import { readHtml } from '../report/read-html.ts';

const classes = ['person', 'dog', 'unicorn', 'bench'];
/** Scores of 40 resamples that go up and down together, by so much above those of the first run. */
const bootstrapOf = (by: number): Bootstrap => {
  const drawn = (score: number) => Array.from({ length: 40 }, (_, place) => score + by + (place % 5) / 100);
  const kind = { AP: drawn(0.5), AP50: drawn(0.7), AP75: drawn(0.55), classes: classes.map(() => drawn(0.4)) };
  return {
    v: 1,
    checkpointSha256: blogMetrics.checkpointSha256,
    annotationsSha256: 'e'.repeat(64),
    images: 5000,
    seed: 2017,
    resamples: 40,
    classes,
    bbox: kind,
    segm: kind,
  };
};

const runOf = (runId: string, by: number, plan: Partial<typeof samplePlan> = {}): ComparedRun => {
  const bbox = { ...blogMetrics.bbox, AP: (blogMetrics.bbox.AP ?? 0) + by };
  const runPlan = { ...samplePlan, ...plan, runId, planHash: (by === 0 ? 'a' : 'b').repeat(64) };
  return {
    report: sampleReport({ runId, plan: runPlan, metrics: { ...blogMetrics, bbox } }),
    analysis: sampleAnalysis(),
    bootstrap: bootstrapOf(by),
  };
};

test('compareRuns lists the only plan field that differs, and the interval of the difference', () => {
  const comparison = compareRuns([runOf('one', 0), runOf('two', 0.02, { seed: 7 })], 1);
  expect(Comparison.parse(comparison).plan).toEqual([{ field: 'seed', values: ['0', '7'] }]);
  const [ap] = comparison.metrics;
  expect(ap).toMatchObject({ kind: 'bbox', key: 'AP', scores: [0.508, 0.528] });
  expect(ap?.differences[0]?.by).toBeCloseTo(0.02, 6);
  // Paired resamples that shift together give a narrow interval.
  expect(ap?.differences[0]?.interval?.map((one) => Number(one.toFixed(6)))).toEqual([0.02, 0.02]);
  expect(formatComparisonVerdict(comparison)).toEqual([
    'two compared with one: box AP +2.0 [+2.0, +2.0], mask AP 0.0 [0.0, 0.0]; the box difference of +2.0 points is significant.',
    'One field of the plan differs: seed.',
  ]);
});

test('formatComparisonVerdict calls runs with equal scores identical', () => {
  const comparison = compareRuns([runOf('one', 0), runOf('two', 0)], 1);
  const [first, second] = comparison.runs;
  if (first === undefined || second === undefined) throw new Error('expected two runs');
  expect(formatComparisonVerdict(comparison)).toEqual([
    'two is identical to one: all scores are equal, and so are the tested checkpoints.',
    'The plans are identical.',
  ]);
  const other = { ...comparison, runs: [first, { ...second, checkpointSha256: 'f'.repeat(64) }] };
  expect(formatComparisonVerdict(other)[0]).toBe('two is identical to one: all scores are equal.');
});

test('differenceInterval returns the spread of paired differences, or null without data', () => {
  const first = [0.1, 0.2, 0.3, null];
  expect(differenceInterval(0.05, first, [0.1, 0.3, 0.5, 0.9])?.map((one) => Number(one.toFixed(4)))).toEqual([
    -0.045, 0.145,
  ]);
  expect(differenceInterval(null, first, first)).toBeNull();
  expect(differenceInterval(0.1, [], [])).toBeNull();
});

test('compareRuns rejects runs tested on different images or annotations and names both', () => {
  const other = runOf('other', 0.1);
  const annotations = { ...other, analysis: sampleAnalysis({ annotationsSha256: '7'.repeat(64) }) };
  expect(() => compareRuns([runOf('one', 0), annotations], 1)).toThrow(
    /not tested on the same data: one on 5000 images of coco-2017, annotations e{12}; other on .* annotations 7{12}/,
  );
  expect(() => compareRuns([runOf('one', 0)], 1)).toThrow('Expected at least two runs');
});

test('compareRuns returns differences without intervals when runs share no resamples', () => {
  const comparison = compareRuns([runOf('one', 0), { ...runOf('two', 0.02), bootstrap: undefined }], 1);
  expect(comparison.resamples).toBeNull();
  expect(comparison.metrics[0]?.differences[0]?.interval).toBeNull();
  expect(formatComparisonVerdict(comparison)[0]).toBe('two compared with one: box AP +2.0, mask AP 0.0.');
});

test('renderComparisonHtml overlays the curves, one line per run', () => {
  const runs = [runOf('one', 0), runOf('two', 0.02), runOf('three', 0.01)];
  const page = renderComparisonHtml(
    compareRuns(runs, 1),
    runs.map(({ report }) => report),
  );
  const loss = page.slice(page.indexOf('id="loss-title"'), page.indexOf('id="box-title"'));
  for (const line of ['s1', 's2', 's3']) expect(loss).toMatch(new RegExp(`class="[^"]*\\b${line}\\b`));
});

test('renderComparisonHtml escapes names of runs, classes and fields', () => {
  const render = (text: string) => {
    const run = (name: string): ComparedRun => {
      const { report, analysis, bootstrap } = runOf(name, 0);
      const plan = { ...report.plan, dataset: { ...report.plan.dataset, id: name } };
      return {
        report: { ...report, plan },
        analysis: { ...analysis, classes: analysis.classes.map((one) => ({ ...one, name: text })) },
        bootstrap,
      };
    };
    const runs = [run(text), run(`${text}2`)];
    const comparison = compareRuns(runs, 1);
    expect(renderComparisonMarkdown(comparison)).not.toMatch(/<[a-z/!]/i);
    return readHtml(
      renderComparisonHtml(
        comparison,
        runs.map(({ report }) => report),
      ),
    );
  };
  const harmless = render('plain').tags;
  for (const text of hostileTexts.slice(0, 12)) expect(render(text).tags).toEqual(harmless);
});
