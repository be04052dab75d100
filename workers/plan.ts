/** `npm run plan -- RUN.json [--device cpu|cuda]`: what a run would do and whether this machine can. Fetches and starts nothing. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { makePlan } from '../activities/lib/make-plan.ts';
import { inspectMachine } from '../activities/lib/preflight/inspect-machine.ts';
import { inspectPlan } from '../activities/lib/preflight/inspect-plan.ts';
import { inputRefusal, parseRunInput } from '../configs/parse-input.ts';
import type { Check, RunInput } from '../configs/schema.ts';
import { gatherDependencies } from './dependencies.ts';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { device: { type: 'string' } } });
const [path] = positionals;
if (path === undefined) fail('Usage: npm run plan -- configs/runs/swin-s-blog.json [--device cpu|cuda]');
else await plan(path);

async function plan(file: string): Promise<void> {
  const input = await readInput(file);
  if (input === undefined) return;
  const isCuda = values.device === undefined ? existsSync('/proc/driver/nvidia/version') : values.device === 'cuda';
  const place = { ...gatherDependencies(isCuda ? 'cuda' : 'cpu'), signal: new AbortController().signal };
  const { plan: planned } = await makePlan(place, input);
  console.log(`${input.name}: ${input.dataset}, ${input.recipe}, ${input.weights.backbone}\n`);
  const checks = [...(await inspectPlan(place.home, planned)), ...(await inspectMachine(place, planned))];
  const width = Math.max(...checks.map(({ about }) => about.length));
  for (const check of checks) console.log(formatCheck(check, width));
  const stops = checks.filter(({ verdict }) => verdict === 'stop').length;
  const warnings = checks.filter(({ verdict }) => verdict === 'warning').length;
  console.log(
    `\n${checks.length - stops - warnings} ok, ${warnings} to think about, ${stops} to mend before it starts`,
  );
  if (stops > 0) process.exitCode = 1;
}

function formatCheck({ verdict, about, says, next }: Check, width: number): string {
  const line = `${verdict.padEnd(7)}  ${about.padEnd(width)}  ${says}`;
  return next === null ? line : `${line}\n${' '.repeat(width + 11)}→ ${next}`;
}

async function readInput(file: string): Promise<RunInput | undefined> {
  let raw: unknown;
  try {
    raw = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    fail(`Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
  const parsed = parseRunInput(raw);
  if (parsed.ok) return parsed.input;
  fail(inputRefusal(parsed.problems));
  return undefined;
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}
