/**
 * `npm test`: runs the TypeScript and the Python tests at the same time and prints the totals.
 * Arguments are passed to vitest, and then no Python test runs (`npm test -- test/workflows`).
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { findMarked } from './chaos/processes.ts';
import { projectRoot, python } from './helpers/project.ts';
import { summaryVariable, type Summary } from './helpers/summary-reporter.ts';

/** Environment variable that marks all processes of this test run. */
const marker = 'EVERSWIN_TEST_RUN';
const vitestArguments = process.argv.slice(2);
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort());

const folder = await mkdtemp(`${tmpdir()}/everswin-test-`);
try {
  const summaries = await Promise.all([
    runVitest(`${folder}/vitest.json`),
    ...(vitestArguments.length > 0 ? [] : [runPytest(`${folder}/pytest.xml`)]),
  ]);
  const passed = summaries.reduce((sum, one) => sum + one.passed, 0);
  const flaky = summaries.flatMap((one) => one.flaky);
  const failed = summaries.flatMap((one) => one.failed);
  // Listed once more at the end: a log that is cut in the middle still names them.
  for (const test of flaky) console.log(`Passed on the second try: ${test}\n`);
  for (const test of failed) console.log(`Failed: ${test}\n`);
  console.log(`${passed} passed, ${failed.length} failed`);
  process.exitCode = failed.length === 0 && passed > 0 ? 0 : 1;
} finally {
  if (interruption.signal.aborted) await killRest();
  await rm(folder, { recursive: true, force: true });
}

async function runVitest(out: string): Promise<Summary> {
  const reporters = ['--reporter=default', '--reporter=./test/helpers/summary-reporter.ts'];
  const argv = ['run', ...reporters, ...vitestArguments];
  const { exitCode } = await run('vitest', argv, { cwd: projectRoot, output: 'inherit', summary: out });
  const text = await readFile(out, 'utf8').catch(() => undefined);
  const summary = text === undefined ? { passed: 0, failed: [], flaky: [] } : (JSON.parse(text) as Summary);
  return requireFailure(summary, 'vitest', exitCode);
}

/** Prints the output of pytest when it ends, because vitest writes to the terminal meanwhile. */
async function runPytest(out: string): Promise<Summary> {
  const argv = ['-m', 'pytest', '-q', '--junit-xml', out];
  const { exitCode, all = '' } = await run(python, argv, { cwd: `${projectRoot}/trainer`, output: 'pipe' });
  console.log(`\nPython tests:\n${all}`);
  const [, suite = ''] = /<testsuite ([^>]*)>/.exec(await readFile(out, 'utf8').catch(() => '')) ?? [];
  const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const passed = count('tests') - count('failures') - count('errors') - count('skipped');
  const failed = all.split('\n').filter((line) => /^(FAILED|ERROR) /.test(line));
  return requireFailure({ passed, failed, flaky: [] }, 'pytest', exitCode);
}

/** Adds a failure if the program failed without a failed test. */
function requireFailure(summary: Summary, program: string, exitCode: number | undefined): Summary {
  if (exitCode === 0 || summary.failed.length > 0) return summary;
  return { ...summary, failed: [`${program} exited with ${exitCode}`] };
}

/** Kills the servers, workers and trainers of interrupted tests. */
async function killRest(): Promise<void> {
  const pids = findMarked(marker, folder).map(({ pid }) => String(pid));
  await execa('kill', ['-9', ...pids], { reject: false });
  process.exitCode = 130;
}

/** Ctrl-C stops the program. */
async function run(
  command: string,
  argv: string[],
  { cwd, output, summary }: { cwd: string; output: 'inherit' | 'pipe'; summary?: string },
) {
  const result = await execa(command, argv, {
    cwd,
    env: { [marker]: folder, [summaryVariable]: summary },
    preferLocal: true,
    localDir: projectRoot,
    reject: false,
    stdin: 'ignore',
    stdout: output,
    stderr: output,
    all: true,
    cancelSignal: interruption.signal,
    killSignal: 'SIGINT',
    forceKillAfterDelay: 20_000,
  });
  if (result.exitCode === undefined && !result.isCanceled) console.error(result.message);
  return result;
}
