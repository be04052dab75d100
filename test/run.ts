/** `npm test`: runs all TypeScript and Python tests and prints the totals. Arguments are passed to vitest (`npm test -- test/workflows`). */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { z } from 'zod';
import { projectRoot, python } from './helpers/project.ts';

interface Totals {
  passed: number;
  failed: number;
}

const vitestArguments = process.argv.slice(2);
const folder = await mkdtemp(`${tmpdir()}/everswin-test-`);
try {
  const totals = [
    await runVitest(`${folder}/vitest.json`),
    ...(vitestArguments.length > 0 ? [] : [await runPytest(`${folder}/pytest.xml`)]),
  ];
  const passed = totals.reduce((sum, one) => sum + one.passed, 0);
  const failed = totals.reduce((sum, one) => sum + one.failed, 0);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function runVitest(out: string): Promise<Totals> {
  const Result = z.object({ numPassedTests: z.int(), numFailedTests: z.int(), success: z.boolean() });
  await run('npx', [
    'vitest',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${out}`,
    ...vitestArguments,
  ]);
  const result = Result.parse(JSON.parse(await readFile(out, 'utf8').catch(() => '{}')));
  // A test file that fails to load fails the run without a failed test.
  return { passed: result.numPassedTests, failed: Math.max(result.numFailedTests, result.success ? 0 : 1) };
}

async function runPytest(out: string): Promise<Totals> {
  const code = await run(python, ['-m', 'pytest', '-q', '--junit-xml', out], `${projectRoot}/trainer`);
  const [, suite = ''] = /<testsuite ([^>]*)>/.exec(await readFile(out, 'utf8').catch(() => '')) ?? [];
  const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = count('failures') + count('errors');
  return { passed: count('tests') - failed - count('skipped'), failed: Math.max(failed, code === 0 ? 0 : 1) };
}

async function run(command: string, argv: string[], cwd = projectRoot): Promise<number> {
  const { exitCode } = await execa(command, argv, { cwd, stdio: 'inherit', preferLocal: true, reject: false });
  return exitCode ?? 1;
}
