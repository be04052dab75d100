import { expect, test } from 'vitest';
import { createPreparationFormatter } from '../../../infra/terminal/format-preparation.ts';

const file = { what: 'train2017.zip', totalBytes: 19_336_861_798, source: 'https://images.example.org/train2017.zip' };

test('the formatter prints a download when it starts and at every tenth', () => {
  const format = createPreparationFormatter();
  expect(format([{ ...file, bytes: 0, bytesPerSecond: 0, etaSeconds: null }])).toEqual([
    'train2017.zip  0 % of 19.3 GB  from https://images.example.org/train2017.zip',
  ]);
  expect(format([{ ...file, bytes: 1_000_000_000, bytesPerSecond: 95e6, etaSeconds: 193 }])).toEqual([]);
  expect(format([{ ...file, bytes: 2_000_000_000, bytesPerSecond: 95e6, etaSeconds: 182 }])).toEqual([
    'train2017.zip  10 % of 19.3 GB  95.0 MB/s  3 min left  from https://images.example.org/train2017.zip',
  ]);
});

test('the formatter prints the reason for another mirror once', () => {
  const format = createPreparationFormatter();
  format([{ ...file, bytes: 10 }]);
  const note = 'images.example.org answered 503; on to mirror.example.org';
  expect(format([{ ...file, bytes: 20, note }])).toEqual([`train2017.zip: ${note}`]);
  expect(format([{ ...file, bytes: 30, note }])).toEqual([]);
});

test('the formatter prints each file separately, and one without a size once', () => {
  const format = createPreparationFormatter();
  expect(format([{ what: 'checking coco-2017' }, { ...file, bytes: 0, source: null }])).toEqual([
    'checking coco-2017',
    'train2017.zip  0 % of 19.3 GB',
  ]);
  expect(format([{ what: 'checking coco-2017' }])).toEqual([]);
});
