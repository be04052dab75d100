import { expect, test } from 'vitest';
import { createPreparationFormatter } from '../../../infra/terminal/format-preparation.ts';

const file = { what: 'train2017.zip', totalBytes: 19_336_861_798, source: 'https://images.example.org/train2017.zip' };

test('a download is told when it begins, at every tenth, and not between', () => {
  const describe = createPreparationFormatter();
  expect(describe([{ ...file, bytes: 0, bytesPerSecond: 0, etaSeconds: null }])).toEqual([
    'train2017.zip  0 % of 19.3 GB  from https://images.example.org/train2017.zip',
  ]);
  expect(describe([{ ...file, bytes: 1_000_000_000, bytesPerSecond: 95e6, etaSeconds: 193 }])).toEqual([]);
  expect(describe([{ ...file, bytes: 2_000_000_000, bytesPerSecond: 95e6, etaSeconds: 182 }])).toEqual([
    'train2017.zip  10 % of 19.3 GB  95.0 MB/s  3 min left  from https://images.example.org/train2017.zip',
  ]);
});

test('another mirror is told once, with the reason', () => {
  const describe = createPreparationFormatter();
  describe([{ ...file, bytes: 10 }]);
  const note = 'images.example.org answered 503; on to mirror.example.org';
  expect(describe([{ ...file, bytes: 20, note }])).toEqual([`train2017.zip: ${note}`]);
  expect(describe([{ ...file, bytes: 30, note }])).toEqual([]);
});

test('each of several files has its own lines, and what has no size is named once', () => {
  const describe = createPreparationFormatter();
  expect(describe([{ what: 'checking coco-2017' }, { ...file, bytes: 0, source: null }])).toEqual([
    'checking coco-2017',
    'train2017.zip  0 % of 19.3 GB',
  ]);
  expect(describe([{ what: 'checking coco-2017' }])).toEqual([]);
});
