import { expect, test } from 'vitest';
import type { Analysis } from '../../../../configs/schema/index.ts';
import {
  buildMatrix,
  formatConfusions,
  listConfusions,
  renderConfusion,
} from '../../../../activities/report/analysis/confusion-section.ts';
import { formatDistribution, renderDistribution } from '../../../../activities/report/analysis/distribution-section.ts';
import { formatSuggestion, listF1 } from '../../../../activities/report/analysis/thresholds-section.ts';
import { sampleAnalysis, sampleClass } from '../../../fixtures/sample-analysis.ts';

const { confusion, distribution, thresholds } = sampleAnalysis();
const names = ['person', 'dog', 'unicorn', 'bench', 'background'];
const matrix = buildMatrix(names, confusion?.bbox ?? []);

test('buildMatrix places the counts, and the background comes last', () => {
  expect(matrix.counts).toEqual([
    [50, 4, 0, 0, 10],
    [1, 20, 0, 0, 0],
    [0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0],
    [0, 0, 0, 7, 0],
  ]);
});

test('listConfusions and formatConfusions name the most frequent errors', () => {
  expect(listConfusions(matrix)).toEqual([
    { actual: 'person', predicted: 'dog', count: 4, share: 4 / 64 },
    { actual: 'dog', predicted: 'person', count: 1, share: 1 / 21 },
  ]);
  expect(formatConfusions(matrix)).toBe(
    'Most confused: person taken for dog (4, 6.3 % of its objects). Most missed: person (10). Most often predicted where no object is: bench (7).',
  );
  expect(formatConfusions(buildMatrix(names, []))).toBe(
    'No object is taken for another class. Most missed: none. Most often predicted where no object is: none.',
  );
});

test('renderConfusion shows the matrix of a few classes, and folds that of many behind their worst pairs', () => {
  const few = String(renderConfusion(sampleAnalysis())?.body);
  expect(few).toContain('<td class="h6">50</td><td class="e1">4</td><td></td><td></td><td class="e1">10</td>');
  expect(few).not.toContain('Most confused classes');
  const classes = Array.from({ length: 80 }, (_, index) => sampleClass(`class ${index}`, 0.5));
  const many = String(renderConfusion(sampleAnalysis({ classes }))?.body);
  expect(many).toContain('<th scope="row">class 0</th><td>class 1</td>');
  expect(many).toContain('<summary>Boxes: all 80 classes</summary>');
});

test('listF1 follows from the counts', () => {
  const f1 = listF1({ correct: [2, 1, 0], wrong: [2, 0, 0] }, 2);
  expect(f1).toEqual([4 / 6, 2 / 3, 0]);
});

test('formatSuggestion states the threshold and its price', () => {
  expect(formatSuggestion(thresholds?.bbox ?? null)).toBe(
    'Suggested score threshold for boxes: 0.42. It gives the highest mean F1, 0.650, with precision 0.790 and recall 0.580.',
  );
  expect(formatSuggestion(null)).toContain('no prediction is correct');
});

test('formatDistribution names the extremes of the training split and classes without validation objects', () => {
  if (distribution === undefined) throw new Error('the sample has a distribution');
  expect(formatDistribution(names.slice(0, 4), distribution.train, distribution.val)).toBe(
    'In the training split, person (256 objects) is the most frequent class and unicorn (0 objects) the rarest. Classes without objects in the validation split: 1.',
  );
});

test('renderDistribution shows the first images of the training, and nothing for an analysis without them', () => {
  const render = (trainingBatch: Analysis['trainingBatch']): string =>
    String(renderDistribution(sampleAnalysis({ trainingBatch }))?.body);
  const shown = render(sampleAnalysis().trainingBatch);
  expect(shown).toContain('The first image of the training (step 1, seed 7)');
  expect(shown).toContain(
    '<b>000000000009.jpg</b> <span>640×480 → 1066×800, flipped, padded to 1088×800, 7 objects</span>',
  );
  expect(render(null)).toContain('could not be drawn');
  expect(render(undefined)).not.toContain('Training batch');
});
