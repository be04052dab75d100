import { expect, test } from 'vitest';
import { killRetrainings } from './retrain-kills.ts';

test('a retraining whose workers, server and trainer are killed -9 ends with one champion, whole versions and one training', async () => {
  const { faults, kills, versions } = await killRetrainings(3, 'the suite', () => undefined);
  expect(faults).toEqual([]);
  expect(kills).toBe(3);
  expect(versions).toBeGreaterThan(0);
}, 300_000);
