import { expect, test } from 'vitest';
import { movingMean } from '../../../../activities/report/components/moving-mean.ts';
import { findBestEpoch } from '../../../../activities/report/sections/best-epoch.ts';
import { LossPartsMeans, parsePart, renderLossParts } from '../../../../activities/report/sections/loss-parts.ts';
import { stepEvent } from '../../../fixtures/sample-report.ts';

test('LossPartsMeans leaves out discarded steps and values that are no loss', () => {
  const means = new LossPartsMeans({ ...emptySteps, iteration: [50, 100], t: [1, 5] });
  means.add(stepEvent({ t: 1, iteration: 50, losses: { 's0.loss_cls': 0.5, 's0.acc': 90 } }));
  means.add(stepEvent({ t: 2, iteration: 100, losses: { 's0.loss_cls': 9 } }));
  means.add(stepEvent({ t: 5, iteration: 100, losses: { 's0.loss_cls': 0.25, 's0.acc': 91 } }));
  expect(means.result()?.losses).toEqual({ 's0.loss_cls': [0.5, 0.25] });
  expect(means.result()?.iterations.at(-1)).toBe(100);
  expect(new LossPartsMeans(emptySteps).result()).toBeUndefined();
});

const emptySteps = { epoch: [], iteration: [], t: [], loss: [], lr: [], seconds: [], imagesPerSecond: [], mfu: [] };

test.each([
  ['loss_rpn_bbox', 'RPN', 'bbox'],
  ['s2.loss_mask', 'stage 3', 'mask'],
  ['loss_cls', 'head', 'cls'],
  ['something', 'head', 'something'],
])('parsePart reads stage and kind of %s', (name, stage, kind) => {
  expect(parsePart(name)).toEqual({ stage, kind });
});

test('renderLossParts draws a chart per kind with a line per stage', () => {
  const losses = { loss_rpn_cls: [1, 0.5], 's0.loss_cls': [2, 1], 's0.loss_mask': [3, null] };
  const page = String(renderLossParts({ iterations: [50, 100], losses }));
  expect([...page.matchAll(/<figcaption><b>([^<]*)/g)].map(([, title]) => title)).toEqual([
    'Classification loss',
    'Mask loss',
  ]);
  expect(page).toContain('iteration 100: RPN 0.5, stage 1 1');
});

test('movingMean averages neighbors and keeps gaps', () => {
  const points = [3, null, 9, 0].map((y, x) => ({ x, y }));
  expect(movingMean(points, 1).map(({ y }) => y)).toEqual([3, null, 4.5, 4.5]);
});

test('findBestEpoch returns the first of equal epochs', () => {
  const at = (epoch: number, bbox: number | null) => ({ epoch, iteration: epoch, bbox, segm: null });
  expect(findBestEpoch([at(1, 0.1), at(2, 0.3), at(3, 0.3), at(4, null)])).toEqual({ epoch: 2, bbox: 0.3 });
  expect(findBestEpoch([at(1, null)])).toBeUndefined();
});
