/** A score of kills on the fake trainer and three on real MMDetection; `npm run chaos` does as many as one likes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Reference } from './oracle.ts';
import { planKills } from './plan-of-kills.ts';
import { runDisturbed, runUndisturbed } from './run.ts';
import { startChaosStack, type ChaosStack } from './stack.ts';
import { findSubject } from './subject.ts';
import { describeRun } from './table.ts';

const seed = 'npm test';
const ranks = 1;

describe.each([
  { subject: findSubject('mini'), runs: [1, 2, 3, 4, 5, 6, 7], kills: 3, minutes: 2, leastBlows: 15 },
  // The number of a plan that strikes a worker and a rank in training, and the whole machine in the test.
  { subject: findSubject('real'), runs: [2083], kills: 3, minutes: 6, leastBlows: 3 },
])('a run of the $subject.name trainer', ({ subject, runs, kills, minutes, leastBlows }) => {
  let stack: ChaosStack;
  let reference: Reference;
  let blows = 0;

  beforeAll(async () => {
    stack = await startChaosStack(subject);
    reference = await runUndisturbed({ stack, subject, ranks, name: 'undisturbed' });
  }, minutes * 60_000);
  afterAll(() => stack.stop(false), 60_000);

  test.each(runs)(
    'that is killed three times ends as if nobody had touched it (%i)',
    async (run) => {
      const { epochs, expectedSeconds } = subject;
      const stepsPerEpoch = subject.stepsPerEpoch(ranks);
      const options = { target: 'all', kills, epochs, stepsPerEpoch, expectedSeconds } as const;
      const result = await runDisturbed(
        { stack, subject, ranks, name: `run-${run}` },
        planKills(seed, run, options),
        reference,
      );
      blows += result.blows.length;
      expect(result.complaints, describeRun(result)).toEqual([]);
    },
    minutes * 60_000,
  );

  test(`and of all those kills at least ${leastBlows} struck`, () => {
    expect(blows).toBeGreaterThanOrEqual(leastBlows);
  });
});
