/**
 * `everswin chaos --seed N --runs M`: injects faults at seeded moments and compares each run with an undisturbed one.
 * `--scenario soak`: one long training in which about 20 workers and servers are killed.
 * `--scenario freeze`: each run freezes the GPU worker for 5 to 60 seconds, as a paused VM does.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { waitForInterrupt } from '../../infra/terminal/wait-for-interrupt.ts';
import { readMachine } from './read-machine.ts';
import type { Reference } from './oracle.ts';
import { planFreeze, planFaults, planSoak, targets, type Fault, type Target } from './fault-plan.ts';
import { runDisturbed, runUndisturbed, type RunResult } from './run.ts';
import { startChaosStack } from './stack.ts';
import { findSubject } from './subject.ts';
import { formatRun, formatTable, summarize } from './format-results.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    runs: { type: 'string', default: '20' },
    /** Number of a single run, to reproduce a failure. */
    only: { type: 'string' },
    target: { type: 'string', default: 'all' },
    subject: { type: 'string', default: 'mini' },
    ranks: { type: 'string', default: '1' },
    faults: { type: 'string' },
    json: { type: 'string' },
    scenario: { type: 'string', default: 'runs' },
  },
});

const { seed } = values;
const isSoak = values.scenario === 'soak';
const isFreeze = values.scenario === 'freeze';
const subject = findSubject(isSoak ? 'mini-long' : isFreeze ? 'mini-freeze' : values.subject);
const target = findTarget(values.target);
const faults = readCount('faults', values.faults ?? (isSoak ? '20' : '1'));
const ranks = readCount('ranks', values.ranks);
const runs = isSoak ? 1 : readCount('runs', values.runs);
const runNumbers =
  values.only === undefined ? Array.from({ length: runs }, (_, index) => index + 1) : [Number(values.only)];

console.log(
  `seed ${seed}: ${runNumbers.length} runs of ${subject.name}, ${faults} faults each, target ${values.scenario === 'runs' ? target : values.scenario}`,
);
const stack = await startChaosStack(subject);
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
  const warmUp = isSoak || isFreeze ? undefined : await runUndisturbed({ stack, subject, ranks, name: 'warm-up' });
  reference = await runUndisturbed({ stack, subject, ranks, name: 'undisturbed' });
  if (warmUp !== undefined) requireEqual(warmUp, reference);
  console.log(`undisturbed: ${reference.seconds.toFixed(1)} s, ${reference.lineage.length} steps and validations`);
  for (const run of runNumbers) {
    const result = await runDisturbed({ stack, subject, ranks, name: `run-${run}` }, plan(run), reference);
    results.push(result);
    console.log(formatRun(result));
    if (result.violations.length > 0) console.log(`       ${reproduceCommand(run)}`);
  }
}

function plan(run: number): Fault[] {
  if (isSoak) return planSoak(seed, faults);
  if (isFreeze) return planFreeze(seed, run);
  const stepsPerEpoch = subject.stepsPerEpoch(ranks);
  const { epochs, expectedSeconds } = subject;
  return planFaults(seed, run, { target, faults, epochs, stepsPerEpoch, expectedSeconds });
}

async function conclude(): Promise<void> {
  const failed = results.filter(({ violations: complaints }) => complaints.length > 0);
  if (reference !== undefined) {
    const summaries = summarize(results, reference);
    console.log(formatTable(summaries));
    const record = { v: 1, seed, command: reproduceCommand(), ...(await readMachine()), reference, summaries, results };
    if (values.json !== undefined) await writeFile(values.json, JSON.stringify(record, null, 2));
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

function reproduceCommand(run?: number): string {
  if (isSoak) return `everswin chaos --scenario soak --seed ${seed} --faults ${faults}`;
  if (isFreeze)
    return `everswin chaos --scenario freeze --seed ${seed} ${run === undefined ? `--runs ${runs}` : `--only ${run}`}`;
  const which = run === undefined ? `--runs ${runs}` : `--only ${run}`;
  return `everswin chaos --seed ${seed} ${which} --target ${target} --subject ${subject.name} --ranks ${ranks} --faults ${faults}`;
}

function requireEqual(one: Reference, other: Reference): void {
  const [first, second] = [one, other].map((reference) => JSON.stringify({ ...reference, seconds: 0 }));
  if (first !== second) throw new Error(`two undisturbed runs differ:\n${first}\n${second}`);
}

function findTarget(text: string): Target | 'all' {
  const found = targets.find((one) => one === text);
  if (found !== undefined || text === 'all') return found ?? 'all';
  throw new Error(`expected --target to be all or one of ${targets.join(', ')}, got ${text}`);
}

function readCount(option: string, text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new Error(`expected --${option} to be a positive integer, got ${text}`);
}
