import { expect, test } from 'vitest';
import { comparePlans } from '../../../../activities/shared/run/plan-changes.ts';
import { planHash } from '../../../../activities/plan/plan-hash.ts';
import { SpeedSwitches, type RunPlan } from '../../../../configs/schema/index.ts';
import { miniPlan } from '../../../helpers/mini-run.ts';

const withSpeed = (switches: Partial<SpeedSwitches>): RunPlan => ({
  ...miniPlan,
  speed: SpeedSwitches.parse(switches),
});

test.each(['sdpaAttention', 'fusedAdamW', 'channelsLast', 'compileBackbone', 'tf32', 'groupBySize'] as const)(
  '%s may change the weights, so it changes the plan hash and is named as a change',
  (name) => {
    const changed = withSpeed({ [name]: true });
    expect(planHash(changed)).not.toBe(planHash(miniPlan));
    expect(comparePlans(miniPlan, changed)).toEqual([{ part: 'speed', before: 'without switches', now: name }]);
  },
);

test('each set of switches has its own plan hash', () => {
  const sets = [{}, { sdpaAttention: true }, { fusedAdamW: true }, { sdpaAttention: true, fusedAdamW: true }];
  expect(new Set(sets.map((one) => planHash(withSpeed(one)))).size).toBe(sets.length);
});

test.each(['halfPrecisionValidation', 'fewerSyncs', 'expandableSegments'] as const)(
  '%s keeps the weights, so it keeps the plan hash',
  (name) => {
    const changed = withSpeed({ [name]: true });
    expect(planHash(changed)).toBe(planHash(miniPlan));
    expect(comparePlans(miniPlan, changed)).toEqual([]);
  },
);
