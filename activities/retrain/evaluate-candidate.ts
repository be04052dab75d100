import type { ComparedScore, Comparison, GateFinding, GateRules } from '../../configs/schema/index.ts';
import { formatBytes } from '../shared/summary/format-bytes.ts';
import { formatChange, formatDifference } from '../compare/format-difference.ts';

/** What the rules need beside the comparison, whose first run is the champion and whose second is the candidate. */
export interface GateFacts {
  comparison: Comparison;
  weightsBytes: number;
  /** Seconds of the two tests. */
  testSeconds: { champion: number; candidate: number };
}

type Difference = ComparedScore['differences'][number];

/** Holds a candidate against the champion, rule by rule; it passes when all of them do. Pure. */
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

/** Whether it fell, and no other choice of test images would say that it rose. */
const isWithinNoise = ({ interval }: Difference): boolean => interval !== null && interval[1] >= 0;

function checkOverall(name: string, difference: Difference, { gain, withinNoise }: GateRules): GateFinding {
  const rule = gain === 0 ? `${name} does not fall` : `${name} changes by ${formatChange(gain / 100)} or more`;
  if (difference.by === null) return { rule, passed: false, message: 'not measured in both' };
  const message = formatDifference(difference);
  if (inPoints(difference.by) >= gain) return { rule, passed: true, message };
  const isExcused = gain <= 0 && withinNoise === 'equal' && isWithinNoise(difference);
  return {
    rule,
    passed: isExcused,
    message: isExcused ? `${message}: within the noise of the test images` : message,
  };
}

function checkSize(key: string, { by }: Difference, { sizesMayFall }: GateRules): GateFinding {
  const rule = `box ${key} falls by ${sizesMayFall} points at most`;
  // Data without objects of a size say nothing about them.
  if (by === null) return { rule, passed: true, message: 'no such objects' };
  return { rule, passed: inPoints(by) >= -sizesMayFall, message: formatChange(by) };
}

function checkClasses(
  { comparison }: GateFacts,
  { worstClasses: { count, mayFall }, withinNoise }: GateRules,
): GateFinding {
  const rule = `none of the ${count} classes that fall most falls by more than ${mayFall} points`;
  const fallen = comparison.classes
    .flatMap(({ name, bbox }) => {
      const difference = bbox.differences[0];
      return difference?.by == null || difference.by >= 0 ? [] : [{ name, difference, by: difference.by }];
    })
    .sort((a, b) => a.by - b.by)
    .slice(0, count);
  const tooFar = fallen.filter(
    ({ by, difference }) => inPoints(by) < -mayFall && !(withinNoise === 'equal' && isWithinNoise(difference)),
  );
  const named = (tooFar.length > 0 ? tooFar : fallen.slice(0, 1)).map(({ name, by }) => `${name} ${formatChange(by)}`);
  return { rule, passed: tooFar.length === 0, message: named.length === 0 ? 'none falls' : named.join(', ') };
}

function checkLimits({ weightsBytes, testSeconds }: GateFacts, rules: GateRules): GateFinding[] {
  const findings: GateFinding[] = [];
  if (rules.weightsBytes !== undefined)
    findings.push({
      rule: `weights of ${formatBytes(rules.weightsBytes)} at most`,
      passed: weightsBytes <= rules.weightsBytes,
      message: formatBytes(weightsBytes),
    });
  if (rules.testSlower !== undefined) {
    const times = testSeconds.candidate / testSeconds.champion;
    findings.push({
      rule: `the test takes ${rules.testSlower} times the champion's at most`,
      passed: times <= rules.testSlower,
      message: `${times.toFixed(2)} times`,
    });
  }
  return findings;
}

/** One sentence: what speaks against it, or that nothing does. */
export function formatFindings(findings: readonly GateFinding[]): string {
  const failed = findings.filter(({ passed }) => !passed).map(({ rule, message }) => `${rule}: ${message}`);
  if (failed.length > 0) return failed.join('; ');
  const overall = findings.slice(0, 2).map(({ message }) => message);
  return `box AP ${overall[0] ?? '–'}, mask AP ${overall[1] ?? '–'}`;
}
