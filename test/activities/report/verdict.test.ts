import { expect, test } from 'vitest';
import { formatVerdict } from '../../../activities/report/verdict.ts';
import type { EvalMetrics, ReferenceResult } from '../../../configs/schema/index.ts';
import { paperReference, blogMetrics, blogReference } from '../../fixtures/sample-report.ts';

const scored = (box: number | null, mask: number | null): EvalMetrics => ({
  ...blogMetrics,
  bbox: { ...blogMetrics.bbox, AP: box },
  segm: { ...blogMetrics.segm, AP: mask },
});
const published = (label: string, bbox: ReferenceResult['bbox'], segm: ReferenceResult['segm'] = {}) => [
  { label, source: 'a table', bbox, segm },
];

test('formatVerdict reports the difference to the paper', () => {
  expect(formatVerdict(blogMetrics, [paperReference])).toBe(
    "Box AP 50.8 and mask AP 44.3: 1.0 and 0.4 points below the paper's 51.8 / 44.7.",
  );
});

test('formatVerdict lists every reference', () => {
  expect(formatVerdict(blogMetrics, [blogReference, paperReference])).toBe(
    "Box AP 50.8 and mask AP 44.3: level with the blog post's 50.8 / 44.3; 1.0 and 0.4 points below the paper's 51.8 / 44.7.",
  );
});

test('formatVerdict handles box and mask differences of opposite sign', () => {
  expect(formatVerdict(scored(0.52, 0.443), [paperReference])).toBe(
    "Box AP 52.0 and mask AP 44.3: box 0.2 points above and mask 0.4 points below the paper's 51.8 / 44.7.",
  );
  expect(formatVerdict(scored(0.518, 0.443), [paperReference])).toBe(
    "Box AP 51.8 and mask AP 44.3: box level with and mask 0.4 points below the paper's 51.8 / 44.7.",
  );
});

test('formatVerdict subtracts the rounded numbers, so that readers get the same result', () => {
  expect(formatVerdict(scored(0.50751, 0.4426), published('paper', { AP: 0.51849 }, { AP: 0.4474 }))).toBe(
    "Box AP 50.8 and mask AP 44.3: 1.0 and 0.4 points below the paper's 51.8 / 44.7.",
  );
});

test('formatVerdict compares only the number that the reference published', () => {
  expect(formatVerdict(blogMetrics, published('model zoo', { AP: 0.5 }))).toBe(
    "Box AP 50.8 and mask AP 44.3: box 0.8 points above the model zoo's 50.0.",
  );
});

test('formatVerdict forms the possessive of a label with article or final s', () => {
  expect(formatVerdict(blogMetrics, published('the authors', { AP: 0.508 }))).toBe(
    "Box AP 50.8 and mask AP 44.3: box level with the authors' 50.8.",
  );
});

test('formatVerdict names the number of images when there is no reference', () => {
  const demo = { ...scored(0.521, 0.47), images: 24 };
  const sentence =
    'Box AP 52.1 and mask AP 47.0 on 24 images; no published result for this recipe on these data to compare with.';
  expect(formatVerdict(demo, [])).toBe(sentence);
  expect(formatVerdict(demo, published('paper', {}))).toBe(sentence);
});

test('formatVerdict reports a score without ground truth as not measured', () => {
  expect(formatVerdict(scored(0.521, null), [paperReference])).toBe(
    "Box AP 52.1 and mask AP not measured (no ground truth): box 0.3 points above the paper's 51.8.",
  );
  expect(formatVerdict({ ...scored(null, null), images: 1 }, [paperReference])).toBe(
    'Box AP not measured (no ground truth) and mask AP not measured (no ground truth) on 1 image; no published result for this recipe on these data to compare with.',
  );
});
