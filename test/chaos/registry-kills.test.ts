import { expect, test } from 'vitest';
import { killPromoters } from './registry-kills.ts';

test('a registry whose writers are killed -9 has one champion, whole versions, and a history that explains both', async () => {
  const { faults, changes } = await killPromoters(6, 'the suite');
  expect(faults).toEqual([]);
  expect(changes).toBeGreaterThan(0);
});
