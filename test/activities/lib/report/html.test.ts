import { describe, expect, test } from 'vitest';
import { renderHtml } from '../../../../activities/lib/report/html.ts';
import { Report } from '../../../../configs/schema.ts';
import { sampleAttempt, sampleReport } from '../../../fixtures/sample-report.ts';
import { hostileReport } from './hostile-report.ts';
import { findTagErrors } from './tag-errors.ts';

const page = renderHtml(sampleReport());
const textOf = (html: string): string => html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
const emptyReport = (): Report =>
  sampleReport({
    curves: { loss: [], ap: [] },
    timeline: [],
    attempts: [],
    decisions: [],
    references: [],
    warnings: [],
    environment: {},
    recipeText: '',
  });

test('the fixture is a report', () => {
  expect(Report.safeParse(sampleReport()).error).toBeUndefined();
});

describe('the page', () => {
  test('tells the run in the order a reader asks', () => {
    const headings = [...page.matchAll(/<h[123]>(.*?)<\/h[123]>/g)].map(([, text]) => text);
    expect(headings).toEqual([
      'swin-s-blog',
      'Results',
      'Curves',
      'Course of the run',
      'Pipeline steps',
      'Attempts',
      'What the interruptions cost',
      'Timeline',
      'Decisions',
      'Checkpoints in quarantine',
      'Warnings',
      'Plan and environment',
      'Plan',
      'Dry run',
      'Hashes (sha256)',
      'Environment',
      'Recipe',
      'Repeat it',
    ]);
    expect(textOf(page)).toContain('1.0 and 0.4 points below the paper&#39;s 51.8 / 44.7.');
    expect(textOf(page)).toContain('Steps repeated: 500 of 532,296 (0.094 %).');
  });

  test('has all 24 rows, each with its difference, and a dash where nobody published a number', () => {
    expect(page.match(/@\[ IoU=/g)).toHaveLength(24);
    expect(textOf(page)).toContain(
      'AP Average Precision (AP) @[ IoU=0.50:0.95 | area=all | maxDets=100 ] 0.508 0.508 0.0 0.518 −1.0',
    );
    expect(textOf(page)).toContain(
      'ARl Average Recall (AR) @[ IoU=0.50:0.95 | area=large | maxDets=1000 ] 0.716 0.716 0.0 –',
    );
  });

  test('marks the crash and the new beginning in every chart', () => {
    expect(page.match(/<g class="mark stop">.*?Crashed at iteration 187,420: Rank 2/g)).toHaveLength(3);
    expect(page.match(/<g class="mark go">.*?Resumed at iteration 186,900: From e012-i186900\.pth/g)).toHaveLength(3);
  });

  test('counts times from the start of the run', () => {
    expect(textOf(page)).toContain('1 d 04:40:50 Resumed From e012-i186900.pth 186,900');
    expect(textOf(page)).toContain('3 adopted the running trainer 186,900 532,296 finished 20 h 01 min');
  });

  test('does not call a CPU a GPU', () => {
    expect(textOf(page)).toContain('36 epochs on 4 GPUs');
    const { plan } = sampleReport();
    const demo = sampleReport({ plan: { ...plan, gpus: 1, epochs: 6 }, environment: { device: 'cpu' } });
    expect(textOf(renderHtml(demo))).toContain('6 epochs on 1 CPU rank');
  });

  test('counts a warning that came twice', () => {
    expect(textOf(renderHtml(sampleReport({ warnings: ['low disk', 'low disk', 'other'] })))).toContain(
      'low disk (2 times) other',
    );
  });

  test('says that a size had no ground truth', () => {
    const { metrics } = sampleReport();
    const small = sampleReport({ metrics: { ...metrics, bbox: { ...metrics.bbox, APs: null } } });
    expect(page).not.toContain('no object of that size');
    expect(renderHtml(small)).toContain('no object of that size');
  });

  test('an attempt whose trainer never started has dashes', () => {
    const attempts = [sampleAttempt({ ending: 'crashed', fromIteration: null, toIteration: null, cause: 'no GPU' })];
    expect(textOf(renderHtml(sampleReport({ attempts })))).toContain('1 – – – crashed');
  });

  test('of a report with nothing in it is still a page', () => {
    const empty = renderHtml(emptyReport());
    expect(empty.match(/nothing recorded/g)).toHaveLength(3);
    expect(textOf(empty)).toContain('Steps repeated: 500 of 0.');
    expect(empty).not.toMatch(/NaN|Infinity|undefined/);
    expect(findTagErrors(empty)).toEqual([]);
  });
});

describe.each([
  ['the sample', page],
  ['a hostile report', renderHtml(hostileReport())],
])('of %s', (_, html) => {
  test('the page is well formed', () => {
    expect(findTagErrors(html)).toEqual([]);
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
  });

  test('nothing is loaded and nothing can run', () => {
    expect(html).toContain(
      `content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"`,
    );
    expect(html).not.toMatch(/<(script|img|link|iframe|object|embed|base|a)\b/i);
    const tags = html.match(/<[a-z](?:"[^"]*"|[^"<>])*>/gi)?.join('\n') ?? '';
    expect(tags).not.toMatch(/[\s"](src|srcset|href|xlink:href|action|style|on\w+)\s*=/i);
    expect(html).not.toMatch(/url\(|@import/);
  });
});

test('a hostile text is escaped wherever it appears', () => {
  const html = renderHtml(hostileReport());
  expect(html.match(/&lt;\/script&gt;&lt;\/style&gt;&lt;img src=x/g)?.length).toBeGreaterThan(30);
  expect(html.match(/\\u003cimg src=x/g)).toHaveLength(4);
  expect(html).not.toMatch(/\p{Cc}(?<!\n)|[\u202a-\u202e]/u);
});
