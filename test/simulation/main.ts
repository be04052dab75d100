/**
 * `everswin simulate --seeds N`: simulates N schedules of faults. `--seed N --trace` repeats one and prints what happens.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { readMachine } from '../chaos/read-machine.ts';
import { projectRoot } from '../helpers/project.ts';
import { formatFailure, formatSummary } from './format-results.ts';
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
  },
});
/** Time between two lines of progress. */
const reportEveryMs = 10_000;

const failed = values.seed === undefined ? await runRange() : await runSeed(Number(values.seed));
process.exitCode = failed ? 1 : 0;

async function runSeed(seed: number): Promise<boolean> {
  const only = values.only?.split(',').map(Number);
  const { violation } = await simulateOne(projectRoot, { seed, only, isTraced: values.trace });
  return violation !== undefined;
}

async function runRange(): Promise<boolean> {
  const startedAt = performance.now();
  let reportedAt = startedAt;
  const summary = await simulateRange(projectRoot, {
    from: Number(values.from),
    count: Number(values.seeds),
    jobs: Number(values.jobs),
    stopsAtViolation: false,
    onProgress: ({ seeds, failures }) => {
      if (performance.now() - reportedAt < reportEveryMs) return;
      reportedAt = performance.now();
      console.log(`${seeds} seeds, ${failures.length} violations`);
    },
  });
  const seconds = (performance.now() - startedAt) / 1000;
  for (const failure of summary.failures) console.log(formatFailure(failure));
  console.log(formatSummary(summary, seconds));
  const command = `everswin simulate --from ${values.from} --seeds ${values.seeds} --jobs ${values.jobs}`;
  const record = { v: 1, command, ...(await readMachine()), seconds, ...summary };
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(record, null, 2)}\n`);
  return summary.failures.length > 0;
}
