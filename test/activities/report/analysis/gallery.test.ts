import { expect, test } from 'vitest';
import { renderGallery } from '../../../../activities/report/analysis/gallery-section.ts';
import { placeLabels } from '../../../../activities/report/analysis/label-layout.ts';
import { selectWithinBudget } from '../../../../activities/report/analysis/picture-budget.ts';
import { markup } from '../../../../activities/report/components/markup.ts';
import { renderHtml } from '../../../../activities/report/html.ts';
import { Analysis } from '../../../../configs/schema/index.ts';
import { sampleAnalysis, sampleClass, sampleImage, sampleTrainingImage } from '../../../fixtures/sample-analysis.ts';
import { sampleReport } from '../../../fixtures/sample-report.ts';

const groups = ['best', 'worst', 'random'] as const;
const heavy = 'A'.repeat(199_996);
const picture = { width: 480, height: 360, image: heavy };
const gallery = groups.flatMap((group) =>
  Array.from({ length: 16 }, (_, index) => sampleImage({ group, fileName: `${group}-${index}.jpg`, picture })),
);

test('the sample matches the analysis schema', () => {
  expect(Analysis.safeParse(sampleAnalysis()).error).toBeUndefined();
});

test('selectWithinBudget keeps the first images of each group when not all fit', () => {
  const figure = markup`${'A'.repeat(375_000)}`;
  const rendered = groups.flatMap((group) => [0, 1, 2, 3].map((number) => ({ image: { group }, figure, number })));
  expect(selectWithinBudget(rendered).map(({ image, number }) => `${image.group} ${number}`)).toEqual([
    ...['best 0', 'best 1', 'best 2'],
    ...['worst 0', 'worst 1', 'worst 2'],
    ...['random 0', 'random 1', 'random 2'],
  ]);
  expect(String(renderGallery(sampleAnalysis({ gallery })).body)).toContain('32 images omitted');
});

test('renderHtml stays below 5 MB for the largest analysis', () => {
  const box: [number, number, number, number] = [0, 0, 480, 360];
  const shown = Array.from({ length: 100 }, () => ({ class: 'W'.repeat(200), box, outlines: [], found: false }));
  const predicted = shown.map((one) => ({ ...one, score: 0.5, outcome: 'localization' as const }));
  const drawn = { ...sampleTrainingImage, picture: { width: 640, height: 480, image: 'A'.repeat(40_000) } };
  const trainingBatch = { seed: 7, images: Array.from({ length: 8 }, () => drawn) };
  const classes = Array.from({ length: 5000 }, (_, index) => sampleClass(`${index}`.padEnd(200, 'W'), 0.5));
  const page = renderHtml(
    sampleReport(),
    sampleAnalysis({
      classes,
      trainingBatch,
      gallery: gallery.map((one) => ({ ...one, truth: shown, predictions: predicted })),
    }),
  );
  expect(Buffer.byteLength(page)).toBeLessThan(5_000_000);
});

test('renderGallery says so when no image is one of the best', () => {
  const worst = [sampleImage({ group: 'worst', fileName: 'a.jpg', picture })];
  expect(String(renderGallery(sampleAnalysis({ gallery: worst })).body)).toContain('None: no image has an F1 above 0.');
});

test('renderGallery names each box, and tells correct, wrong and missed apart', () => {
  const body = String(renderGallery(sampleAnalysis()).body);
  expect(body).toContain('F1 0.67 · 1 of 2 objects found; missed: 1 person; 1 wrong: 1 no object (background)');
  expect(body).toMatch(/<g class="correct" data-score="0.91"><title>dog 0.91: correct, IoU 0.80<\/title>/);
  expect(body).toMatch(/<text class="background[^"]*" data-score="0.4"[^>]*>✗ bench 0.40<\/text>/);
  expect(body).toMatch(/<text class="truth missed[^"]*"[^>]*>person<\/text>/);
  expect(body).toContain('data-has="1:correct 0:background 2:missed"');
});

test('renderGallery shows the pictures of an analysis without overlays', () => {
  const old = sampleImage({ picture: { width: 16, height: 12, truth: 'AAAA', predictions: 'BBBB' } });
  const analysis = sampleAnalysis({
    gallery: [old],
    thresholds: undefined,
    confusion: undefined,
    distribution: undefined,
  });
  expect(Analysis.safeParse(analysis).error).toBeUndefined();
  const page = renderHtml(sampleReport(), analysis);
  expect(page).toContain('base64,BBBB');
  expect(page).not.toMatch(/id="(thresholds|confusion|data)"/);
});

test('placeLabels shortens, moves and finally hides labels that would overlap', () => {
  const label = { box: [100, 100, 60, 40] as const, texts: ['a long class name 0.99', 'short 0.99'] };
  const placed = placeLabels(
    Array.from({ length: 12 }, () => label),
    { width: 480, height: 360 },
  );
  const shown = placed.filter(({ isShown }) => isShown);
  expect(shown.length).toBeGreaterThan(3);
  expect(shown.length).toBeLessThan(12);
  expect(new Set(shown.map(({ x, y }) => `${x} ${y}`)).size).toBe(shown.length);
  const narrow = placeLabels([label], { width: 180, height: 360 });
  expect(narrow[0]).toMatchObject({ isShown: true });
  const tiny = placeLabels([{ ...label, box: [100, 100, 5, 5] }], { width: 480, height: 360 });
  expect(tiny).toEqual([{ x: 100, y: 96.7, text: 'a long class name 0.99', isShown: false }]);
});
