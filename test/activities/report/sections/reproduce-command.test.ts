import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { reproduceCommand } from '../../../../activities/report/sections/reproduce-command.ts';
import { RunInput, type RunPlan } from '../../../../configs/schema/index.ts';
import { samplePlan } from '../../../fixtures/sample-report.ts';

/** Returns the arguments that a real shell passes to `temporal`. */
const readArguments = (plan: RunPlan): string[] => {
  const script = `temporal() { printf '%s\\0' "$@"; }\n${reproduceCommand(plan)}`;
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\0');
};

test('reproduceCommand starts the same run with the same input', () => {
  const [, , , type, , queue, , id, , input = ''] = readArguments(samplePlan);
  expect([type, queue, id]).toEqual(['trainDetector', 'everswin', 'train:swin-s-blog']);
  expect(RunInput.parse(JSON.parse(input))).toEqual(samplePlan.input);
});

test('reproduceCommand quotes hostile names', () => {
  const runId = `it's "$(id)" \`id\` <b>; exit 1`;
  const [, , , , , , , id, , input = ''] = readArguments({
    ...samplePlan,
    runId,
    input: { ...samplePlan.input, name: runId },
  });
  expect(id).toBe(`train:${runId}`);
  expect(JSON.parse(input)).toHaveProperty('name', runId);
});
