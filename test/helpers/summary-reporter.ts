import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { projectRoot } from './project.ts';

/** Environment variable with the path of the summary. */
export const summaryVariable = 'EVERSWIN_TEST_SUMMARY';

/** Totals of a run of vitest. Each list has one text per test: its name and its first error. */
export interface Summary {
  passed: number;
  failed: string[];
  /** Tests that passed on the second try. */
  flaky: string[];
}

/** Writes a summary of the run as JSON. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly { name?: string; message: string }[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const inState = (state: string) => tests.filter((test) => test.result().state === state);
    const summary: Summary = {
      passed: inState('passed').length,
      failed: [
        ...inState('failed').map(describeTest),
        // Errors outside of a test: a file that cannot be loaded, a hook, or a promise that no code awaits.
        ...modules.flatMap((module) => module.errors().map(({ message }) => `${pathOf(module)}\n${message}`)),
        ...unhandled.map(({ name, message }) => `unhandled ${name ?? 'error'}: ${message}`),
      ],
      flaky: tests.filter((test) => test.diagnostic()?.flaky).map(describeTest),
    };
    const path = process.env[summaryVariable];
    if (path !== undefined) writeFileSync(path, JSON.stringify(summary));
  }
}

const pathOf = (module: TestModule): string => relative(projectRoot, module.moduleId);

function describeTest(test: TestCase): string {
  const [error] = test.result().errors ?? [];
  const stack = (error?.stack ?? error?.message ?? '').split('\n').filter((line) => !line.includes('node_modules'));
  return `${pathOf(test.module)} > ${test.fullName}\n${stack.join('\n').slice(0, 1_500)}`;
}
