import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { workInParallel } from '../../../activities/lib/work-in-parallel.ts';

const tenItems = Array.from({ length: 10 }, (_, i) => i);

describe('work in parallel', () => {
  it('does every item once, so many at a time', async () => {
    const done: number[] = [];
    let atWork = 0;
    let most = 0;
    await workInParallel(tenItems, 3, async (item) => {
      most = Math.max(most, (atWork += 1));
      await sleep(1);
      atWork -= 1;
      done.push(item);
    });
    expect(done.toSorted((a, b) => a - b)).toEqual(tenItems);
    expect(most).toBe(3);
  });

  it('has nothing to do for an empty list', async () => {
    await workInParallel([], 3, () => Promise.reject(new Error('never called')));
  });

  it('begins nothing after a failure, and fails only when nothing is under way any more', async () => {
    const begun: number[] = [];
    let atWork = 0;
    const failure = new Error('item 1 is bad');
    const work = workInParallel(tenItems, 3, async (item) => {
      begun.push(item);
      if (item === 1) throw failure;
      atWork += 1;
      await sleep(20);
      atWork -= 1;
    });
    await expect(work).rejects.toBe(failure);
    expect(begun).toEqual([0, 1, 2]);
    expect(atWork).toBe(0);
  });
});
