/**
 * Injects twelve faults into the fake trainer and three into real MMDetection. `everswin chaos --nightly` runs the plans
 * between these, too, and a soak.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Reference } from './oracle.ts';
import { killTargets, planFaults } from './fault-plan.ts';
import { runDisturbed, runUndisturbed } from './run.ts';
import { startChaosStack, type ChaosStack } from './stack.ts';
import { findSubject } from './subject.ts';
import { formatRun } from './format-results.ts';

const seed = 'npm test';
const ranks = 1;
const timeoutMs = 600_000;

const kills = (run: number) => ({ run, targets: killTargets });

describe.each([
  {
    subject: findSubject('mini'),
    // Together, the first plans kill every kind of target. The last one hits the GPU worker, and needs no root.
    plans: [kills(1), kills(2), kills(7), { run: 8636, targets: ['freeze', 'emfile', 'clock', 'network'] as const }],
    minInjected: 9,
  },
  // The plan of this number kills a worker and a rank during training, and the machine during the test.
  { subject: findSubject('real'), plans: [kills(2083)], minInjected: 3 },
])('chaos run of the $subject.name trainer', ({ subject, plans, minInjected }) => {
  let stack: ChaosStack;
  let reference: Reference;
  let injected = 0;

  beforeAll(async () => {
    stack = await startChaosStack(subject);
    reference = await runUndisturbed({ stack, subject, ranks, name: 'undisturbed' });
  }, timeoutMs);
  afterAll(() => stack.stop(false));

  test.each(plans)(
    'ends like an undisturbed run after three faults (plan $run)',
    async ({ run, targets }) => {
      const { epochs, expectedSeconds } = subject;
      const stepsPerEpoch = subject.stepsPerEpoch(ranks);
      const options = { targets, faults: 3, epochs, stepsPerEpoch, expectedSeconds } as const;
      const result = await runDisturbed(
        { stack, subject, ranks, name: `run-${run}` },
        planFaults(seed, run, options),
        reference,
      );
      injected += result.injected.length;
      expect(result.violations, formatRun(result)).toEqual([]);
    },
    timeoutMs,
  );

  test(`injects at least ${minInjected} of the planned faults`, () => {
    expect(injected).toBeGreaterThanOrEqual(minInjected);
  });
});
