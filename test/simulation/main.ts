/**
 * `everswin simulate --seeds N`: simulates N schedules of faults. `--seed N --trace` repeats one and prints what happens.
 * `--defects` plants known defects and counts the seeds until each is found.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { readMachine } from '../chaos/read-machine.ts';
import { projectRoot } from '../helpers/project.ts';
import { huntDefect, listDefects, type DefectResult } from './defects.ts';
import { formatDefect, formatFailure, formatSummary } from './format-results.ts';
import { simulateOne, simulateRange } from './pool.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    only: { type: 'string' },
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
    json: { type: 'string' },
    defects: { type: 'boolean', default: false },
    defect: { type: 'string' },
  },
});
/** Time between two lines of progress. */
const reportEveryMs = 10_000;

process.exitCode = (await run()) ? 1 : 0;

/** @returns whether a violation was found, or a planted defect was not. */
function run(): Promise<boolean> {
  if (values.seed !== undefined) return runSeed(Number(values.seed));
  return values.defects || values.defect !== undefined ? runDefects() : runRange();
}

async function runDefects(): Promise<boolean> {
  const results: DefectResult[] = [];
  for (const defect of await listDefects()) {
    if (values.defect !== undefined && values.defect !== defect.name) continue;
    const result = await huntDefect(defect, { seeds: Number(values.seeds), jobs: Number(values.jobs) });
    results.push(result);
    console.log(formatDefect(result));
  }
  if (values.json !== undefined) {
    const command = `everswin simulate --defects --seeds ${values.seeds} --jobs ${values.jobs}`;
    await writeRecord(values.json, { command, ...(await readMachine()), defects: results });
  }
  return results.some(({ seeds }) => seeds === undefined);
}

async function runSeed(seed: number): Promise<boolean> {
  const only = values.only?.split(',').map(Number);
  const { violation } = await simulateOne(projectRoot, { seed, only, isTraced: values.trace });
  return violation !== undefined;
}

async function runRange(): Promise<boolean> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
  const startedAt = performance.now();
  let reportedAt = startedAt;
  const summary = await simulateRange(projectRoot, {
    from: Number(values.from),
    count: Number(values.seeds),
    jobs: Number(values.jobs),
    stopsAtViolation: false,
    signal: stop.signal,
    onProgress: ({ seeds, failures }, latest) => {
      for (const failure of latest.failures) console.log(formatFailure(failure));
      if (performance.now() - reportedAt < reportEveryMs) return;
      reportedAt = performance.now();
      console.log(`${seeds} seeds, ${failures.length} violations`);
    },
  });
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(formatSummary(summary, seconds));
  if (stop.signal.aborted)
    console.log(`Stopped. Continue: everswin simulate --from ${Number(values.from) + summary.seeds}`);
  const command = `everswin simulate --from ${values.from} --seeds ${values.seeds} --jobs ${values.jobs}`;
  if (values.json !== undefined)
    await writeRecord(values.json, { command, ...(await readMachine()), seconds, ...summary });
  return summary.failures.length > 0;
}

/** A declaration: the statements above call it before the module reaches its end. */
function writeRecord(path: string, record: object): Promise<void> {
  return writeFile(path, `${JSON.stringify({ v: 1, ...record }, null, 2)}\n`);
}
