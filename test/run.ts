/**
 * `npm test`: runs the TypeScript and the Python tests at the same time and prints the totals.
 * Arguments are passed to vitest, and then no Python test runs (`npm test -- test/workflows`).
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { findMarked } from './chaos/processes.ts';
import { projectRoot, python } from './helpers/project.ts';
import { summaryVariable, type FailedTest, type Summary } from './helpers/summary-reporter.ts';

/** Environment variable that marks all processes of this test run. */
const marker = 'EVERSWIN_TEST_RUN';
const vitestArguments = process.argv.slice(2);
const oneFileAtATime = '--poolOptions.forks.maxForks=1';
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort());

const folder = await mkdtemp(`${tmpdir()}/everswin-test-`);
try {
  const runners = vitestArguments.length > 0 ? [runVitest] : [runVitest, runPytest];
  const first = await Promise.all(runners.map(async (runner) => ({ runner, summary: await runner() })));
  // One file after the other, so that a test that was too slow next to others has the machine for itself.
  const results = [];
  for (const { runner, summary } of first) results.push(await runFailedAgain(runner, summary));
  const passed = results.flatMap((one) => Object.values(one.passed)).reduce((sum, count) => sum + count, 0);
  const flaky = results.flatMap((one) => one.flaky);
  const failed = results.flatMap((one) => one.failed);
  // Listed once more at the end: a log that is cut in the middle still names them.
  for (const test of flaky) console.log(`Passed on the second try: ${describeTest(test)}\n${test.error}\n`);
  for (const test of failed) console.log(`Failed: ${describeTest(test)}\n${test.error}\n`);
  console.log(`${passed} passed, ${failed.length} failed`);
  process.exitCode = failed.length === 0 && passed > 0 ? 0 : 1;
} finally {
  if (interruption.signal.aborted) await killRest();
  await rm(folder, { recursive: true, force: true });
}

/** Gives failed tests a second try in new processes, unless they failed outside of a test. */
async function runFailedAgain(runner: typeof runVitest, first: Summary): Promise<Summary & { flaky: FailedTest[] }> {
  if (first.failed.length === 0 || first.failed.some(({ file }) => file === '') || interruption.signal.aborted)
    return { ...first, flaky: [] };
  const second = await runner(first.failed);
  const failedAgain = (test: FailedTest) => second.failed.some((one) => describeTest(one) === describeTest(test));
  return {
    passed: { ...first.passed, ...second.passed },
    failed: second.failed,
    flaky: first.failed.filter((test) => !failedAgain(test)),
  };
}

/** Runs the files of the given tests, by default those that the arguments select. */
async function runVitest(only: FailedTest[] = []): Promise<Summary> {
  const out = `${folder}/vitest.json`;
  await rm(out, { force: true });
  const reporters = ['--reporter=default', '--reporter=./test/helpers/summary-reporter.ts'];
  const files = [...new Set(only.map(({ file }) => file))];
  const argv = ['run', ...reporters, ...(files.length > 0 ? [oneFileAtATime, ...files] : vitestArguments)];
  const { exitCode } = await run('vitest', argv, { cwd: projectRoot, output: 'inherit', summary: out });
  const text = await readFile(out, 'utf8').catch(() => undefined);
  const summary = text === undefined ? { passed: {}, failed: [] } : (JSON.parse(text) as Summary);
  return requireFailure(summary, 'vitest', exitCode);
}

/** Runs all tests, or those that failed last. Prints the output of pytest when it ends: vitest writes meanwhile. */
async function runPytest(only: FailedTest[] = []): Promise<Summary> {
  const out = `${folder}/pytest.xml`;
  await rm(out, { force: true });
  const argv = [
    '-m',
    'pytest',
    '-q',
    '--durations=15',
    '--junit-xml',
    out,
    ...(only.length > 0 ? ['--last-failed'] : []),
  ];
  const { exitCode, all = '' } = await run(python, argv, { cwd: `${projectRoot}/trainer`, output: 'pipe' });
  console.log(`\nPython tests:\n${all}`);
  const [, suite = ''] = /<testsuite ([^>]*)>/.exec(await readFile(out, 'utf8').catch(() => '')) ?? [];
  const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const passed = count('tests') - count('failures') - count('errors') - count('skipped');
  const failed = [...all.matchAll(/^(?:FAILED|ERROR) ([^:\s]+)::(.*?)(?: - (.*))?$/gm)].map(
    ([, file = '', name = '', error = '']) => ({ file, name, error }),
  );
  return requireFailure({ passed: { [argv.join(' ')]: passed }, failed }, 'pytest', exitCode);
}

/** Adds a failure if the program failed without a failed test. */
function requireFailure(summary: Summary, program: string, exitCode: number | undefined): Summary {
  if (exitCode === 0 || summary.failed.length > 0) return summary;
  return { ...summary, failed: [{ file: '', name: `${program} exited with ${exitCode}`, error: '' }] };
}

function describeTest({ file, name }: FailedTest): string {
  return file === '' ? name : `${file} > ${name}`;
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
