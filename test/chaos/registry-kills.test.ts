import { expect, test } from 'vitest';
import { killPromoters } from './registry-kills.ts';

test('the registry stays consistent when its writers are killed', async () => {
  const { inconsistencies, changes } = await killPromoters(6, 'the suite');
  expect(inconsistencies).toEqual([]);
  expect(changes).toBeGreaterThan(0);
});
