import { expect, test } from 'vitest';
import { formatExtremes, rankClasses } from '../../../../activities/report/analysis/classes-section.ts';
import { formatErrors, rankErrors } from '../../../../activities/report/analysis/errors-section.ts';
import { sampleAnalysis, sampleClass } from '../../../fixtures/sample-analysis.ts';

test('classes stand weakest first, those without ground truth last', () => {
  expect(rankClasses(sampleAnalysis().classes).map(({ name }) => name)).toEqual(['bench', 'dog', 'person', 'unicorn']);
});

test.each([
  [[], 'No class has ground truth.'],
  [[sampleClass('a', null)], 'No class has ground truth.'],
  [[sampleClass('a', 0.5)], 'Box AP is lowest for a (50.0).'],
  [
    sampleAnalysis().classes,
    'Box AP is lowest for bench (10.0) and highest for person (60.0). Without ground truth: 1.',
  ],
])('%# names the weakest and the strongest', (classes, says) => {
  expect(formatExtremes(rankClasses(classes))).toBe(says);
});

test('errors stand costliest first, and sizes without objects are not spoken of', () => {
  const { bbox } = sampleAnalysis().errors;
  expect(rankErrors(bbox)).toEqual(['missed', 'localisation', 'class', 'background', 'both', 'duplicate']);
  expect(formatErrors(bbox)).toBe(
    'Boxes lose most to missed (7.2 points of AP50), then to localisation (5.1 points of AP50). Found are 40 % of the small, 75 % of the medium objects.',
  );
});
