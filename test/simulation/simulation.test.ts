import { expect, test } from 'vitest';
import { projectRoot } from '../helpers/project.ts';
import { formatFailure } from './format-results.ts';
import { simulateRange } from './pool.ts';

test('no schedule of faults violates an oracle, for 1,000 seeds', async () => {
  const { seeds, failures, counts } = await simulateRange(projectRoot, {
    from: 1,
    count: 1000,
    jobs: 2,
    stopsAtViolation: false,
    onProgress: () => undefined,
  });
  expect(failures.map(formatFailure)).toEqual([]);
  expect(seeds).toBe(1000);
  expect(counts['ending: trainDetector COMPLETED']).toBeGreaterThan(500);
});
