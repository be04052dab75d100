/** `npm run plan -- RUN.json [--device cpu|cuda]`: what a run would do and whether this machine can. Fetches and starts nothing. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { makePlan } from '../../activities/plan/make-plan.ts';
import type { FindMissing } from '../../activities/preflight/check-inputs.ts';
import { inspectMachine } from '../../activities/preflight/inspect-machine.ts';
import { inspectPlan } from '../../activities/preflight/inspect-plan.ts';
import { chooseDevice } from '../stack/device.ts';
import { readRunInput } from '../../configs/parse-input.ts';
import type { Check } from '../../configs/schema/index.ts';
import { startingWeights } from '../../configs/schema/plan-weights.ts';
import { createDependencies } from '../../workers/dependencies.ts';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { device: { type: 'string' } } });
const [path] = positionals;
if (path === undefined) fail('Usage: npm run plan -- configs/runs/swin-s-blog.json [--device cpu|cuda]');
else await plan(path).catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));

async function plan(file: string): Promise<void> {
  const input = await readRunInput(file, readFile(file, 'utf8'));
  if (typeof input === 'string') return fail(input);
  const device = chooseDevice(values.device);
  const place = { ...createDependencies(device), signal: new AbortController().signal };
  const { plan: planned } = await makePlan(place, input);
  console.log(`${input.name}: ${input.dataset}, ${input.recipe}, ${startingWeights(planned.weights).id}\n`);
  const findMissing: FindMissing = (files) => place.preparer.findMissing(planned, files, place.signal);
  const checks = [...(await inspectPlan(findMissing, planned)), ...(await inspectMachine(place, findMissing, planned))];
  const width = Math.max(...checks.map(({ name: about }) => about.length));
  for (const check of checks) console.log(formatCheck(check, width));
  const stops = checks.filter(({ verdict }) => verdict === 'error').length;
  const warnings = checks.filter(({ verdict }) => verdict === 'warning').length;
  console.log(
    `\n${checks.length - stops - warnings} ok, ${warnings} to think about, ${stops} to mend before it starts`,
  );
  if (stops > 0) process.exitCode = 1;
}

function formatCheck({ verdict, name: about, message: says, remedy: next }: Check, width: number): string {
  const line = `${verdict.padEnd(7)}  ${about.padEnd(width)}  ${says}`;
  return next === null ? line : `${line}\n${' '.repeat(width + 11)}→ ${next}`;
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}
