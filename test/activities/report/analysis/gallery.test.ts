import { expect, test } from 'vitest';
import { renderGallery } from '../../../../activities/report/analysis/gallery-section.ts';
import { selectPictures } from '../../../../activities/report/analysis/picture-budget.ts';
import { renderHtml } from '../../../../activities/report/html.ts';
import { Analysis } from '../../../../configs/schema/index.ts';
import { sampleAnalysis, sampleClass, sampleImage } from '../../../fixtures/sample-analysis.ts';
import { sampleReport } from '../../../fixtures/sample-report.ts';

const groups = ['best', 'worst', 'random'] as const;
const heavy = 'A'.repeat(199_996);
const picture = { width: 480, height: 360, truth: heavy, predictions: heavy };
const gallery = groups.flatMap((group) =>
  Array.from({ length: 4 }, (_, index) => sampleImage({ group, fileName: `${group}-${index}.jpg`, picture })),
);

test('the sample matches the analysis schema', () => {
  expect(Analysis.safeParse(sampleAnalysis()).error).toBeUndefined();
});

test('selectPictures keeps the first images of each group when not all fit', () => {
  const chosen = selectPictures(gallery).map(({ fileName }) => fileName);
  expect(chosen).toEqual([
    ...['best-0.jpg', 'best-1.jpg', 'best-2.jpg'],
    ...['worst-0.jpg', 'worst-1.jpg', 'worst-2.jpg'],
    ...['random-0.jpg', 'random-1.jpg'],
  ]);
  expect(String(renderGallery(sampleAnalysis({ gallery })).body)).toContain('4 images omitted');
});

test('renderHtml stays below 5 MB for the largest analysis', () => {
  const box: [number, number, number, number] = [0, 0, 480, 360];
  const shown = Array.from({ length: 100 }, () => ({ class: 'W'.repeat(200), box, outlines: [], found: false }));
  const predicted = shown.map((one) => ({ ...one, score: 0.5, outcome: 'localization' as const }));
  const classes = Array.from({ length: 5000 }, (_, index) => sampleClass(`${index}`.padEnd(200, 'W'), 0.5));
  const page = renderHtml(
    sampleReport(),
    sampleAnalysis({ classes, gallery: gallery.map((one) => ({ ...one, truth: shown, predictions: predicted })) }),
  );
  expect(Buffer.byteLength(page)).toBeLessThan(5_000_000);
});

test('renderGallery says so when no image is one of the best', () => {
  const worst = [sampleImage({ group: 'worst', fileName: 'a.jpg', picture })];
  expect(String(renderGallery(sampleAnalysis({ gallery: worst })).body)).toContain('None: no image has an F1 above 0.');
});

test('renderGallery counts found, missed and wrong objects', () => {
  const body = String(renderGallery(sampleAnalysis()).body);
  expect(body).toContain('F1 0.67 · 1 of 2 objects found; not found: 1 person; 1 wrong: 1 background');
  expect(body).toContain('<title>bench 0.40: background</title>');
});
