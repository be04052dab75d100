/**
 * `npm test`: runs the TypeScript and the Python tests at the same time and prints the totals.
 * Arguments are passed to vitest, and then no Python test runs (`npm test -- test/workflows`).
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { relative } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import { findMarked } from './chaos/processes.ts';
import { projectRoot, python } from './helpers/project.ts';

interface Totals {
  passed: number;
  failed: number;
  /** One entry per failed test: its name and the start of its message. */
  failures: string[];
}

const Failure = z.object({
  status: z.string(),
  fullName: z.string(),
  failureMessages: z.array(z.string()).default([]),
});
const VitestResult = z.object({
  numPassedTests: z.int().default(0),
  numFailedTests: z.int().default(0),
  success: z.boolean().default(false),
  testResults: z
    .array(
      z.object({
        name: z.string(),
        status: z.string(),
        message: z.string().default(''),
        assertionResults: z.array(Failure).default([]),
      }),
    )
    .default([]),
});
/** Environment variable that marks all processes of this test run. */
const marker = 'EVERSWIN_TEST_RUN';
const vitestArguments = process.argv.slice(2);
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort());

const folder = await mkdtemp(`${tmpdir()}/everswin-test-`);
try {
  const totals = await Promise.all([
    runVitest(`${folder}/vitest.json`),
    ...(vitestArguments.length > 0 ? [] : [runPytest(`${folder}/pytest.xml`)]),
  ]);
  const passed = totals.reduce((sum, one) => sum + one.passed, 0);
  const failed = totals.reduce((sum, one) => sum + one.failed, 0);
  // Listed again at the end: a log that is cut in the middle still names them.
  for (const failure of totals.flatMap((one) => one.failures)) console.log(`Failed: ${failure}\n`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
} finally {
  if (interruption.signal.aborted) await killRest();
  await rm(folder, { recursive: true, force: true });
}

async function runVitest(out: string): Promise<Totals> {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${out}`];
  await run('vitest', ['run', ...reporters, ...vitestArguments], projectRoot, 'inherit');
  const result = VitestResult.parse(JSON.parse(await readFile(out, 'utf8').catch(() => '{}')));
  // A test file that fails to load fails the run without a failed test.
  return {
    passed: result.numPassedTests,
    failed: Math.max(result.numFailedTests, result.success ? 0 : 1),
    failures: result.testResults.flatMap(listFailures),
  };
}

function listFailures(file: z.infer<typeof VitestResult>['testResults'][number]): string[] {
  const path = relative(projectRoot, file.name);
  const tests = file.assertionResults
    .filter(({ status }) => status === 'failed')
    .map(({ fullName, failureMessages }) => `${path} > ${fullName}\n${failureMessages.join('\n').slice(0, 1_500)}`);
  if (file.status === 'failed' && tests.length === 0) return [`${path}\n${file.message.slice(0, 1_500)}`];
  return tests;
}

/** Prints the output of pytest when it ends, because vitest writes to the terminal meanwhile. */
async function runPytest(out: string): Promise<Totals> {
  const argv = ['-m', 'pytest', '-q', '--junit-xml', out];
  const { exitCode, all } = await run(python, argv, `${projectRoot}/trainer`, 'pipe');
  console.log(`\nPython tests:\n${all ?? ''}`);
  const [, suite = ''] = /<testsuite ([^>]*)>/.exec(await readFile(out, 'utf8').catch(() => '')) ?? [];
  const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = count('failures') + count('errors');
  return {
    passed: count('tests') - failed - count('skipped'),
    failed: Math.max(failed, exitCode === 0 ? 0 : 1),
    failures: (all ?? '').split('\n').filter((line) => /^(FAILED|ERROR) /.test(line)),
  };
}

/** Kills the servers, workers and trainers of interrupted tests. */
async function killRest(): Promise<void> {
  const pids = findMarked(marker, folder).map(({ pid }) => String(pid));
  await execa('kill', ['-9', ...pids], { reject: false });
  process.exitCode = 130;
}

/** Ctrl-C stops the program. */
async function run(command: string, argv: string[], cwd: string, output: 'inherit' | 'pipe') {
  const result = await execa(command, argv, {
    cwd,
    env: { [marker]: folder },
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
