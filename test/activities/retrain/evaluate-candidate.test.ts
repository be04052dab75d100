import { expect, test } from 'vitest';
import { formatChange, computeFingerprint, translateEarlier } from '../../../activities/retrain/fingerprint.ts';
import { formatFindings, evaluateCandidate, type GateFacts } from '../../../activities/retrain/evaluate-candidate.ts';
import { GateRules, type Comparison, type ComparedScore } from '../../../configs/schema/index.ts';
import { miniPlan } from '../../helpers/mini-run.ts';

const hash = (digit: string) => digit.repeat(64);
const score = (by: number | null, interval: [number, number] | null = null): ComparedScore => ({
  scores: [0.4, by === null ? null : 0.4 + by],
  differences: [{ by, interval }],
});

interface Changes {
  box?: ComparedScore;
  mask?: ComparedScore;
  sizes?: [number | null, number | null, number | null];
  classes?: Record<string, ComparedScore>;
}

const factsOf = ({ box = score(0.01), mask = score(0.01), sizes = [0, 0, null], classes = {} }: Changes): GateFacts => {
  const [APs, APm, APl] = sizes.map((by) => score(by));
  const metrics = Object.entries({ AP: box, APs, APm, APl }).map(([key, one]) => ({ kind: 'bbox', key, ...one }));
  const comparison = {
    v: 1,
    createdAt: 1,
    images: 24,
    annotationsSha256: hash('e'),
    resamples: 500,
    plan: [],
    runs: ['champion', 'candidate'].map((runId) => ({
      runId,
      recipe: 'mini',
      planHash: hash('a'),
      checkpointSha256: hash('b'),
    })),
    metrics: [...metrics, { kind: 'segm', key: 'AP', ...mask }],
    classes: Object.entries(classes).map(([name, bbox]) => ({ name, instances: 10, bbox, segm: bbox })),
  } as Comparison;
  return { comparison, weightsBytes: 2_000_000, testSeconds: { champion: 10, candidate: 15 } };
};
const evaluate = (changes: Changes, rules: object = {}) => evaluateCandidate(factsOf(changes), GateRules.parse(rules));
const passes = (changes: Changes, rules: object = {}) => evaluate(changes, rules).every(({ passed }) => passed);

test('evaluateCandidate passes a candidate that improves everywhere and reports the differences', () => {
  expect(passes({ classes: { dog: score(0.02) } })).toBe(true);
  expect(formatFindings(evaluate({ box: score(0.012, [0.01, 0.014]) }))).toBe('box AP +1.2 [+1.0, +1.4], mask AP +1.0');
});

test('evaluateCandidate excuses a loss within noise and rejects a significant one', () => {
  const noise = score(-0.01, [-0.03, 0.01]);
  expect(passes({ box: noise })).toBe(true);
  expect(passes({ box: noise }, { withinNoise: 'worse' })).toBe(false);
  const clear = evaluate({ box: score(-0.1, [-0.12, -0.08]) });
  expect(formatFindings(clear)).toBe('box AP does not fall: −10.0 [−12.0, −8.0]');
  // Without resamples, noise cannot excuse a loss.
  expect(passes({ box: score(-0.001) })).toBe(false);
});

test('evaluateCandidate does not accept noise as a required gain', () => {
  expect(passes({ box: score(0.004, [-0.01, 0.02]), mask: score(0.02) }, { gain: 1 })).toBe(false);
  expect(passes({ box: score(0.02), mask: score(0.02) }, { gain: 1 })).toBe(true);
});

test('evaluateCandidate limits the loss of sizes and single classes', () => {
  expect(passes({ sizes: [-0.009, 0, null] })).toBe(true);
  expect(formatFindings(evaluate({ sizes: [0, -0.02, null] }))).toBe('box APm falls by at most 1 points: −2.0');
  const classes = { dog: score(-0.2, [-0.3, -0.1]), cat: score(-0.3, [-0.7, 0.1]), bench: score(0.5) };
  expect(formatFindings(evaluate({ classes }))).toBe(
    'the 5 most affected classes fall by at most 10 points: dog −20.0',
  );
  expect(passes({ classes }, { worstClasses: { count: 5, mayFall: 30 } })).toBe(true);
  expect(passes({ classes }, { worstClasses: { count: 0 } })).toBe(true);
});

test('evaluateCandidate checks limits on size and speed when they are set', () => {
  expect(passes({}, { weightsBytes: 1_000_000 })).toBe(false);
  expect(passes({}, { weightsBytes: 3_000_000, testSlower: 2 })).toBe(true);
  expect(formatFindings(evaluate({}, { testSlower: 1.2 }))).toContain('1.50 times');
});

test('evaluateCandidate fails a metric that is not measured for both versions', () => {
  expect(formatFindings(evaluate({ mask: score(null) }))).toContain('not measured for both versions');
});

test('computeFingerprint changes with the plan and the trainer code, and the change is named', () => {
  const before = computeFingerprint(miniPlan);
  expect(formatChange(before, computeFingerprint({ ...miniPlan, runId: 'other' }))).toBeUndefined();
  expect(formatChange(undefined, before)).toBe('first training of this model');
  const seed = { ...miniPlan, planHash: hash('9'), seed: 8 };
  expect(formatChange(before, computeFingerprint(seed))).toBe('changed: seed (was 7, is 8)');
  const code = { ...miniPlan, versions: { ...miniPlan.versions, trainerCode: hash('1') } };
  expect(formatChange(before, computeFingerprint(code))).toMatch(/^changed: trainer code \(was ff+, is 11+\)$/);
});

test('computeFingerprint follows the version of the trainer, not the hash of its files', () => {
  const plan = (trainer: Record<string, number>, code = 'f') => ({
    ...miniPlan,
    versions: { ...miniPlan.versions, trainerCode: hash(code), trainer },
  });
  const before = computeFingerprint(plan({ training: 1, test: 1 }));
  expect(formatChange(before, computeFingerprint(plan({ training: 1, test: 2 }, '1')))).toBeUndefined();
  expect(formatChange(before, computeFingerprint(plan({ training: 2, test: 1 })))).toBe(
    'changed: trainer version (was dataset 1, weights 1, training 1, is dataset 1, weights 1, training 2)',
  );
});

test('translateEarlier counts the trainer of an earlier version as version 1', () => {
  const earlier = computeFingerprint(miniPlan);
  const planned = (trainer: Record<string, number>, change = {}) => {
    const plan = { ...miniPlan, ...change, versions: { ...miniPlan.versions, trainer } };
    return formatChange(translateEarlier(earlier, plan), computeFingerprint(plan));
  };
  expect(planned({ training: 1 })).toBeUndefined();
  expect(planned({ training: 2 })).toMatch(/^changed: trainer version \(was .*training 1, is .*training 2\)$/);
  expect(planned({ training: 1 }, { planHash: hash('9'), seed: 8 })).toBe('changed: seed (was 7, is 8)');
  // Parts of a plan that an earlier version did not record are no change.
  const parts = Object.fromEntries(Object.entries(earlier.parts).filter(([name]) => name !== 'learningRate'));
  const plan = { ...miniPlan, versions: { ...miniPlan.versions, trainer: {} } };
  expect(formatChange(translateEarlier({ ...earlier, parts }, plan), computeFingerprint(plan))).toBeUndefined();
});
