import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { renderHtml } from '../../../activities/report/html.ts';
import { renderMarkdown } from '../../../activities/report/markdown.ts';
import { Report } from '../../../configs/schema/index.ts';
import { sampleAnalysis } from '../../fixtures/sample-analysis.ts';
import { sampleAttempt, sampleReport } from '../../fixtures/sample-report.ts';
import { hostileAnalysis, hostileReport } from './hostile-report.ts';
import { readHtml } from './read-html.ts';
import { findTagErrors } from './tag-errors.ts';

const page = renderHtml(sampleReport(), sampleAnalysis());
/** Removes the page's own style and script. */
const withoutOwn = (html: string): string => html.replace(/<(style|script)>[^]*?<\/\1>/g, '');
const textOf = (html: string): string =>
  withoutOwn(html)
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');
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
    recipeSettings: {},
  });

test('the fixture matches the report schema', () => {
  expect(Report.safeParse(sampleReport()).error).toBeUndefined();
});

describe('renderHtml', () => {
  test('orders the sections by what readers look for first', () => {
    const headings = [...page.matchAll(/<h[123]>(.*?)<\/h[123]>/g)].map(([, text]) => text);
    expect(headings).toEqual([
      'swin-s-blog',
      ...['Results', 'Boxes', 'Masks'],
      ...['Comparison with the published model', 'Shape of the gap'],
      ...['Differences, most costly first', 'Ruled out', 'Inferences'],
      'Curves',
      ...['Gallery', 'Best', 'Worst', 'Random sample'],
      'Classes',
      'Precision and recall',
      'Score thresholds',
      ...['Errors', 'Boxes', 'Masks'],
      ...['Confusion matrix', 'Boxes'],
      ...['Data', 'Training batch'],
      'Run history',
      ...['Attempts', 'Interruptions', 'Timeline', 'Decisions'],
      ...['Quarantined checkpoints', 'Pipeline steps', 'Warnings'],
      'Cost',
      'Plan and environment',
      ...['Plan', 'Dry run', 'Identifiers'],
      'Reproduce this run',
    ]);
    expect(textOf(page)).toContain('1.0 and 0.4 points below the paper&#39;s 51.8 / 44.7.');
    expect(textOf(page)).toContain('Steps repeated: 500 of 532,296 (0.094 %).');
  });

  test('shows the speed, without an MFU on a CPU, and nothing if the trainer recorded none', () => {
    expect(textOf(page)).toContain('Images/s 14.5 MFU 31.2 %');
    expect(textOf(page)).toContain('Speed: 14.5 images/s, MFU 31.2 %; epochs from 14.5 to 14.5 images/s.');
    const onCpu = textOf(renderHtml(sampleReport({ speed: { imagesPerSecond: 0.5, mfu: null, epochs: [] } })));
    expect(onCpu).toContain('Speed: 0.5 images/s.');
    expect(onCpu).not.toContain('MFU');
    expect(textOf(renderHtml(sampleReport({ speed: undefined })))).not.toMatch(/images\/s/i);
  });

  test('shows all 24 metrics with differences, and a dash for unpublished numbers', () => {
    expect(page.match(/@\[ IoU=/g)).toHaveLength(12);
    expect(textOf(page)).toContain('AP 0.508 0.501–0.515 0.508 0.0 0.518 −1.0 0.519 −1.1');
    expect(textOf(page)).toContain('ARl 0.716 0.716 0.0 – –');
  });

  test('shows the note of the run input', () => {
    const { plan } = sampleReport();
    const noted = sampleReport({ plan: { ...plan, input: { ...plan.input, note: 'asked for by <kim>' } } });
    expect(textOf(renderHtml(noted))).toContain('note asked for by &lt;kim&gt; recipe');
  });

  test('shows what is used of the data, and that masks are boxes', () => {
    const datasetUse = {
      train: { images: 96, objects: 190, usableImages: 92, usableObjects: 183 },
      val: { images: 24, objects: 1, usableImages: 24, usableObjects: 1 },
    };
    const { plan } = sampleReport();
    const report = sampleReport({ datasetUse, plan: { ...plan, dataset: { ...plan.dataset, masks: 'from-boxes' } } });
    const page = renderHtml(report);
    expect(page).toContain('92 of 96 images, 183 of 190 objects');
    expect(page).toContain('24 of 24 images, 1 of 1 object<');
    expect(page).toContain('mask AP measures boxes');
    expect(renderMarkdown(report)).toContain('- used for training: 92 of 96 images, 183 of 190 objects');
  });

  test('labels the columns that the verdict compares with', () => {
    expect(textOf(page)).toContain('compared: same recipe not compared: another recipe');
    expect(textOf(page)).toContain('The verdict compares with: blog post; paper.');
  });

  test('marks the crash and the resume in every chart', () => {
    expect(page.match(/<g class="mark stop">.*?Crashed at iteration 187,420: Rank 2/g)).toHaveLength(3);
    expect(page.match(/<g class="mark go">.*?Resumed at iteration 186,900: From e012-i186900\.pth/g)).toHaveLength(3);
  });

  test('shows times relative to the start of the run', () => {
    expect(textOf(page)).toContain('1 d 04:40:50 Resumed From e012-i186900.pth 186,900');
    expect(textOf(page)).toContain('3 adopted a running trainer 186,900 532,296 finished 20 h 01 min');
  });

  test('calls the devices of a CPU run CPU ranks', () => {
    expect(textOf(page)).toContain('36 epochs on 4 GPUs');
    const { plan } = sampleReport();
    const demo = sampleReport({ plan: { ...plan, gpus: 1, epochs: 6 }, environment: { device: 'cpu' } });
    expect(textOf(renderHtml(demo))).toContain('6 epochs on 1 CPU rank');
  });

  test('counts repeated warnings', () => {
    expect(textOf(renderHtml(sampleReport({ warnings: ['low disk', 'low disk', 'other'] })))).toContain(
      'low disk (2 times) other',
    );
  });

  test('explains a dash for a size without ground truth', () => {
    const { metrics } = sampleReport();
    const small = sampleReport({ metrics: { ...metrics, bbox: { ...metrics.bbox, APs: null } } });
    expect(page).not.toContain('no object of that size');
    expect(renderHtml(small)).toContain('no object of that size');
  });

  test('shows dashes for an attempt whose trainer never started', () => {
    const attempts = [sampleAttempt({ outcome: 'crashed', fromIteration: null, toIteration: null, cause: 'no GPU' })];
    expect(textOf(renderHtml(sampleReport({ attempts })))).toContain('1 – – – crashed');
  });

  test('renders an empty report', () => {
    const empty = renderHtml(emptyReport());
    expect(empty.match(/no data/g)).toHaveLength(3);
    expect(textOf(empty)).toContain('Steps repeated: 500 of 0.');
    expect(withoutOwn(empty)).not.toMatch(/NaN|Infinity|undefined/);
    expect(findTagErrors(withoutOwn(empty))).toEqual([]);
  });
});

describe.each([
  ['the sample report', page],
  ['a hostile report', renderHtml(hostileReport(), hostileAnalysis())],
])('renderHtml for %s', (_, html) => {
  test('is well-formed', () => {
    expect(findTagErrors(withoutOwn(html))).toEqual([]);
    expect(withoutOwn(html)).not.toMatch(/NaN|Infinity|undefined/);
  });

  test('loads nothing and runs only the style and script that its policy names by hash', () => {
    const [, policy = ''] = /Content-Security-Policy" content="([^"]*)"/.exec(html) ?? [];
    const own = [...html.matchAll(/<(style|script)>([^]*?)<\/\1>/g)].map(([, kind, text = '']) => {
      return `${kind}-src 'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    });
    expect(own).toHaveLength(2);
    expect(policy.replaceAll('&#39;', "'").split('; ')).toEqual([
      "default-src 'none'",
      'img-src data:',
      ...own,
      "base-uri 'none'",
      "form-action 'none'",
    ]);
    const tags = html.match(/<[a-z](?:"[^"]*"|[^"<>])*>/gi)?.join('\n') ?? '';
    expect(tags).not.toMatch(/<(link|iframe|object|embed|base|form)\b/i);
    expect(tags).not.toMatch(/[\s"](src="(?!data:image\/jpeg;base64,)|href="(?!#))/i);
    const attributes = readHtml(html).tags.flatMap((tag) => tag.split(' ').slice(1));
    expect(attributes.filter((name) => /^(srcset|xlink:href|action|style|on.*)$/i.test(name))).toEqual([]);
    expect(html).not.toMatch(/url\(|@import/);
  });
});

test('every link of the table of contents leads to a section', () => {
  const links = [...page.matchAll(/<a href="#([a-z-]+)">/g)].map(([, id]) => id);
  expect(links).toHaveLength(14);
  for (const id of links) expect(page).toContain(`<section id="${id}">`);
});

describe('renderHtml without a matching analysis', () => {
  test('explains that there is no analysis and shows the other sections', () => {
    const html = renderHtml(sampleReport());
    expect(textOf(html)).toContain('wrote no analysis.json');
    expect(html).not.toMatch(/id="(gallery|errors|precision)"/);
    expect(html).toContain('id="reproduce"');
  });

  test('does not show the analysis of another checkpoint', () => {
    const html = renderHtml(sampleReport(), sampleAnalysis({ checkpointSha256: 'f'.repeat(64) }));
    expect(textOf(html)).toContain('belongs to another checkpoint');
    expect(html).not.toContain('0.501–0.515');
  });
});

test('renderHtml escapes hostile texts everywhere', () => {
  const html = renderHtml(hostileReport());
  expect(html.match(/&lt;\/script&gt;&lt;\/style&gt;&lt;img src=x/g)?.length).toBeGreaterThan(30);
  expect(html.match(/\\u003cimg src=x/g)).toHaveLength(4);
  expect(html).not.toMatch(/\p{Cc}(?<!\n)|[\u202a-\u202e]/u);
});
