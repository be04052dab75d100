/**
 * `everswin chaos --seed N --runs M`: injects faults at seeded moments and compares each run with an undisturbed one.
 * `--scenario soak`: one long training in which about 20 workers and servers are killed.
 * `--scenario freeze`: each run freezes the GPU worker for 5 to 60 seconds, as a paused VM does.
 */
import { rm, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { runFolder } from '../../configs/paths.ts';
import { waitForInterrupt } from '../../infra/terminal/wait-for-interrupt.ts';
import { readMachine } from './read-machine.ts';
import type { Reference } from './oracle.ts';
import { planFaults, planFreeze, planSoak, type Fault } from './fault-plan.ts';
import { readOptions } from './options.ts';
import { runDisturbed, runUndisturbed, type RunResult } from './run.ts';
import { startChaosStack } from './stack.ts';
import { formatRun, formatTable, summarize } from './format-results.ts';

const options = readOptions();
const { seed, scenario, subject, targets, faults, ranks, runNumbers, json } = options;

console.log(
  `seed ${seed}: ${runNumbers.length} runs of ${subject.name}, ${faults} faults each, ${scenario === 'runs' ? `targets ${targets.join(', ')}` : `scenario ${scenario}`}`,
);
const loadBefore = loadavg();
const stack = await startChaosStack(subject, targets.includes('disk-full') ? 'small' : 'shared');
const results: RunResult[] = [];
let reference: Reference | undefined;
const interrupted = waitForInterrupt().then(() => {
  throw new Error('interrupted');
});
try {
  await Promise.race([runAll(), interrupted]);
} catch (error) {
  console.error(error);
} finally {
  await conclude();
}
// Without this, the process would wait for an interrupted run.
process.exit();

async function runAll(): Promise<void> {
  // The first run warms up caches and shows that two undisturbed runs are equal.
  const warmUp = scenario === 'runs' ? await runUndisturbed({ stack, subject, ranks, name: 'warm-up' }) : undefined;
  reference = await runUndisturbed({ stack, subject, ranks, name: 'undisturbed' });
  if (warmUp !== undefined) requireEqual(warmUp, reference);
  console.log(`undisturbed: ${reference.seconds.toFixed(1)} s, ${reference.lineage.length} steps and validations`);
  for (const run of runNumbers) {
    const name = `run-${run}`;
    const result = await runDisturbed({ stack, subject, ranks, name }, plan(run), reference);
    results.push(result);
    console.log(`${new Date().toISOString().slice(11, 19)} ${formatRun(result)}`);
    if (result.violations.length > 0) console.log(`       ${options.reproduceCommand(run)}`);
    else await rm(runFolder(stack.home, name).root, { recursive: true });
  }
}

function plan(run: number): Fault[] {
  if (scenario === 'soak') return planSoak(seed, faults);
  if (scenario === 'freeze') return planFreeze(seed, run);
  const stepsPerEpoch = subject.stepsPerEpoch(ranks);
  const { epochs, expectedSeconds } = subject;
  return planFaults(seed, run, { targets, faults, epochs, stepsPerEpoch, expectedSeconds });
}

async function conclude(): Promise<void> {
  const failed = results.filter(({ violations }) => violations.length > 0);
  if (reference !== undefined) {
    const summaries = summarize(results, reference);
    console.log(formatTable(summaries));
    const command = options.reproduceCommand();
    const load = { before: loadBefore, after: loadavg() };
    const record = { v: 1, seed, command, ...(await readMachine()), load, reference, summaries, results };
    if (json !== undefined) await writeFile(json, JSON.stringify(record, null, 2));
  }
  if (failed.length > 0) {
    const names = failed.map(({ name }) => name).join(', ');
    console.log(
      `${failed.length} of ${runNumbers.length} runs failed: ${names}. Their folders are kept in ${stack.home}`,
    );
  }
  if (failed.length > 0 || results.length < runNumbers.length) process.exitCode = 1;
  await stack.stop(failed.length > 0);
}

function requireEqual(one: Reference, other: Reference): void {
  const [first, second] = [one, other].map((reference) => JSON.stringify({ ...reference, seconds: 0 }));
  if (first !== second) throw new Error(`two undisturbed runs differ:\n${first}\n${second}`);
}
