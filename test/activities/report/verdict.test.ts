import { expect, test } from 'vitest';
import { formatVerdict } from '../../../activities/report/verdict.ts';
import type { EvalMetrics, ReferenceResult } from '../../../configs/schema/index.ts';
import { paperReference, seedMetrics, seedReference } from '../../fixtures/sample-report.ts';

const scored = (box: number | null, mask: number | null): EvalMetrics => ({
  ...seedMetrics,
  bbox: { ...seedMetrics.bbox, AP: box },
  segm: { ...seedMetrics.segm, AP: mask },
});
const published = (label: string, bbox: ReferenceResult['bbox'], segm: ReferenceResult['segm'] = {}) => [
  { label, source: 'a table', bbox, segm },
];

test('the verdict says how far the run lies below the paper', () => {
  expect(formatVerdict(seedMetrics, [paperReference])).toBe(
    "Box AP 50.8 and mask AP 44.3: 1.0 and 0.4 points below the paper's 51.8 / 44.7.",
  );
});

test('every reference gets its own part of the sentence', () => {
  expect(formatVerdict(seedMetrics, [seedReference, paperReference])).toBe(
    "Box AP 50.8 and mask AP 44.3: level with the seed post's 50.8 / 44.3; 1.0 and 0.4 points below the paper's 51.8 / 44.7.",
  );
});

test('box and mask may lie on different sides', () => {
  expect(formatVerdict(scored(0.52, 0.443), [paperReference])).toBe(
    "Box AP 52.0 and mask AP 44.3: box 0.2 points above and mask 0.4 points below the paper's 51.8 / 44.7.",
  );
  expect(formatVerdict(scored(0.518, 0.443), [paperReference])).toBe(
    "Box AP 51.8 and mask AP 44.3: box level with and mask 0.4 points below the paper's 51.8 / 44.7.",
  );
});

test('the difference is that of the printed numbers, so that a reader gets the same', () => {
  expect(formatVerdict(scored(0.50751, 0.4426), published('paper', { AP: 0.51849 }, { AP: 0.4474 }))).toBe(
    "Box AP 50.8 and mask AP 44.3: 1.0 and 0.4 points below the paper's 51.8 / 44.7.",
  );
});

test('a reference that published only one of the two is compared in that one', () => {
  expect(formatVerdict(seedMetrics, published('model zoo', { AP: 0.5 }))).toBe(
    "Box AP 50.8 and mask AP 44.3: box 0.8 points above the model zoo's 50.0.",
  );
});

test('a label may bring its article, and may end in s', () => {
  expect(formatVerdict(seedMetrics, published('the authors', { AP: 0.508 }))).toBe(
    "Box AP 50.8 and mask AP 44.3: box level with the authors' 50.8.",
  );
});

test('without a published result it says on how many images the numbers stand', () => {
  const demo = { ...scored(0.521, 0.47), images: 24 };
  const sentence = 'Box AP 52.1 and mask AP 47.0 on 24 images; no published result for this recipe to compare with.';
  expect(formatVerdict(demo, [])).toBe(sentence);
  expect(formatVerdict(demo, published('paper', {}))).toBe(sentence);
});

test('a score without ground truth is said, not compared', () => {
  expect(formatVerdict(scored(0.521, null), [paperReference])).toBe(
    "Box AP 52.1 and mask AP not measured (no ground truth): box 0.3 points above the paper's 51.8.",
  );
  expect(formatVerdict({ ...scored(null, null), images: 1 }, [paperReference])).toBe(
    'Box AP not measured (no ground truth) and mask AP not measured (no ground truth) on 1 image; no published result for this recipe to compare with.',
  );
});
