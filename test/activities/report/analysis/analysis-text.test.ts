import { expect, test } from 'vitest';
import { formatExtremes, rankClasses } from '../../../../activities/report/analysis/classes-section.ts';
import { formatErrors, rankErrors } from '../../../../activities/report/analysis/errors-section.ts';
import { sampleAnalysis, sampleClass } from '../../../fixtures/sample-analysis.ts';

test('rankClasses sorts by box AP and puts classes without ground truth last', () => {
  expect(rankClasses(sampleAnalysis().classes).map(({ name }) => name)).toEqual(['bench', 'dog', 'person', 'unicorn']);
});

test.each([
  [[], 'No class has ground truth.'],
  [[sampleClass('a', null)], 'No class has ground truth.'],
  [[sampleClass('a', 0.5)], 'Box AP is lowest for a (0.500).'],
  [
    sampleAnalysis().classes,
    'Box AP is lowest for bench (0.100) and highest for person (0.600). Classes without ground truth: 1.',
  ],
])('formatExtremes names the weakest and the strongest classes (%#)', (classes, expected) => {
  expect(formatExtremes(rankClasses(classes))).toBe(expected);
});

test('formatErrors names the most costly errors and skips sizes without objects', () => {
  const { bbox } = sampleAnalysis().errors;
  expect(rankErrors(bbox)).toEqual(['missed', 'localization', 'class', 'background', 'both', 'duplicate']);
  expect(formatErrors(bbox)).toBe(
    'The most costly box errors are missed (7.2 points of AP50) and localization (5.1 points of AP50). Detected: 40 % of small, 75 % of medium objects.',
  );
});
