import { expect, test } from 'vitest';
import { nonRetryableCodes } from '../../configs/errors.ts';

test('InvalidInput is not retryable', () => {
  expect(nonRetryableCodes).toContain('InvalidInput');
});
