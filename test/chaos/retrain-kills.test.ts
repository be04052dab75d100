import { expect, test } from 'vitest';
import { killRetrainings } from './retrain-kills.ts';

test('a retraining keeps the registry consistent when workers, server and trainer are killed', async () => {
  const { inconsistencies, kills, versions } = await killRetrainings(3, 'the suite', 1, () => undefined);
  expect(inconsistencies).toEqual([]);
  expect(kills).toBe(3);
  expect(versions).toBeGreaterThan(0);
}, 300_000);
