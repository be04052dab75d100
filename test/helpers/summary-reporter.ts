import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { projectRoot } from './project.ts';

/** Environment variable with the path of the summary. */
export const summaryVariable = 'EVERSWIN_TEST_SUMMARY';

/** Result of a run of vitest. */
export interface Summary {
  /** Number of passed tests, by file. */
  passed: Record<string, number>;
  failed: FailedTest[];
}

export interface FailedTest {
  file: string;
  name: string;
  error: string;
}

/** Writes a summary of the run as JSON. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly { name?: string; message: string }[]): void {
    const summary: Summary = {
      passed: Object.fromEntries(modules.map((module) => [pathOf(module), countPassed(module)])),
      failed: [
        ...modules.flatMap((module) => [...module.children.allTests('failed')].map(describeTest)),
        // Errors outside of a test: a file that cannot be loaded, a hook, or a promise that no code awaits.
        ...modules.flatMap((module) => suiteErrors(module)),
        ...unhandled.map(({ name = 'error', message }) => ({ file: '', name: `unhandled ${name}`, error: message })),
      ],
    };
    const path = process.env[summaryVariable];
    if (path !== undefined) writeFileSync(path, JSON.stringify(summary));
  }
}

const pathOf = (module: TestModule): string => relative(projectRoot, module.moduleId);

const countPassed = (module: TestModule): number => [...module.children.allTests('passed')].length;

function suiteErrors(module: TestModule): FailedTest[] {
  const suites = [module, ...module.children.allSuites()];
  return suites.flatMap((suite) =>
    suite.errors().map(({ message }) => ({ file: pathOf(module), name: 'outside of a test', error: message })),
  );
}

function describeTest(test: TestCase): FailedTest {
  const [error] = test.result().errors ?? [];
  const stack = (error?.stack ?? error?.message ?? '').split('\n').filter((line) => !line.includes('node_modules'));
  return { file: pathOf(test.module), name: test.fullName, error: stack.join('\n').slice(0, 1_500) };
}
