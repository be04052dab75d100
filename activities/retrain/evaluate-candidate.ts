import type { ComparedScore, Comparison, GateFinding, GateRules } from '../../configs/schema/index.ts';
import { formatBytes } from '../shared/summary/format-bytes.ts';
import { formatChange, formatDifference } from '../compare/format-difference.ts';

/** Input of the gate rules. */
export interface GateFacts {
  /** Compares the champion (first) with the candidate (second). */
  comparison: Comparison;
  weightsBytes: number;
  /** Duration of the two tests. */
  testSeconds: { champion: number; candidate: number };
}

type Difference = ComparedScore['differences'][number];

/** Compares a candidate with the champion, rule by rule. It passes if all rules pass. Pure. */
export const evaluateCandidate = (facts: GateFacts, rules: GateRules): GateFinding[] => [
  checkOverall('box AP', find(facts, 'bbox', 'AP'), rules),
  checkOverall('mask AP', find(facts, 'segm', 'AP'), rules),
  ...(['APs', 'APm', 'APl'] as const).map((key) => checkSize(key, find(facts, 'bbox', key), rules)),
  checkClasses(facts, rules),
  ...checkLimits(facts, rules),
];

const find = ({ comparison }: GateFacts, kind: 'bbox' | 'segm', key: string): Difference =>
  comparison.metrics.find((one) => one.kind === kind && one.key === key)?.differences[0] ?? {
    by: null,
    interval: null,
  };

const inPoints = (by: number): number => by * 100;

/** Returns whether the 95 % interval includes an improvement. */
const isWithinNoise = ({ interval }: Difference): boolean => interval !== null && interval[1] >= 0;

function checkOverall(name: string, difference: Difference, { gain, withinNoise }: GateRules): GateFinding {
  const rule = gain === 0 ? `${name} does not fall` : `${name} changes by ${formatChange(gain / 100)} or more`;
  if (difference.by === null) return { rule, passed: false, message: 'not measured for both versions' };
  const message = formatDifference(difference);
  if (inPoints(difference.by) >= gain) return { rule, passed: true, message };
  const isNoise = gain <= 0 && withinNoise === 'equal' && isWithinNoise(difference);
  return {
    rule,
    passed: isNoise,
    message: isNoise ? `${message}: within the noise of the test images` : message,
  };
}

function checkSize(key: string, { by }: Difference, { sizesMayFall }: GateRules): GateFinding {
  const rule = `box ${key} falls by at most ${sizesMayFall} points`;
  // A test set without objects of this size cannot fail the rule.
  if (by === null) return { rule, passed: true, message: 'no objects of this size' };
  return { rule, passed: inPoints(by) >= -sizesMayFall, message: formatChange(by) };
}

function checkClasses(
  { comparison }: GateFacts,
  { worstClasses: { count, mayFall }, withinNoise }: GateRules,
): GateFinding {
  const rule = `the ${count} most affected classes fall by at most ${mayFall} points`;
  const fallen = comparison.classes
    .flatMap(({ name, bbox }) => {
      const difference = bbox.differences[0];
      return difference?.by == null || difference.by >= 0 ? [] : [{ name, difference, by: difference.by }];
    })
    .sort((a, b) => a.by - b.by)
    .slice(0, count);
  const violations = fallen.filter(
    ({ by, difference }) => inPoints(by) < -mayFall && !(withinNoise === 'equal' && isWithinNoise(difference)),
  );
  const named = (violations.length > 0 ? violations : fallen.slice(0, 1)).map(
    ({ name, by }) => `${name} ${formatChange(by)}`,
  );
  return { rule, passed: violations.length === 0, message: named.length === 0 ? 'no class falls' : named.join(', ') };
}

function checkLimits({ weightsBytes, testSeconds }: GateFacts, rules: GateRules): GateFinding[] {
  const findings: GateFinding[] = [];
  if (rules.weightsBytes !== undefined)
    findings.push({
      rule: `weights are at most ${formatBytes(rules.weightsBytes)}`,
      passed: weightsBytes <= rules.weightsBytes,
      message: formatBytes(weightsBytes),
    });
  if (rules.testSlower !== undefined) {
    const times = testSeconds.candidate / testSeconds.champion;
    findings.push({
      rule: `the test takes at most ${rules.testSlower} times as long as the champion's`,
      passed: times <= rules.testSlower,
      message: `${times.toFixed(2)} times`,
    });
  }
  return findings;
}

/** Formats the failed rules, or the overall differences if none failed. */
export function formatFindings(findings: readonly GateFinding[]): string {
  const failed = findings.filter(({ passed }) => !passed).map(({ rule, message }) => `${rule}: ${message}`);
  if (failed.length > 0) return failed.join('; ');
  const overall = findings.slice(0, 2).map(({ message }) => message);
  return `box AP ${overall[0] ?? '–'}, mask AP ${overall[1] ?? '–'}`;
}
