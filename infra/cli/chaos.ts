import { runTestProgram, toArgv, type PassedOptions } from './run-test-program.ts';

interface ChaosOptions extends PassedOptions {
  /** Runs the plans that take too long for the test suite, instead of the plan that the other options describe. */
  nightly?: boolean | undefined;
}

/** The first plans have the seed and the numbers of test/chaos/chaos.test.ts. */
const nightlyPlans: string[][] = [
  ['--seed', 'npm test', '--target', 'kills', '--runs', '7', '--faults', '3'],
  ['--seed', 'npm test', '--target', 'kills', '--only', '2083', '--faults', '3', '--subject', 'real'],
  ['--seed', 'nightly', '--scenario', 'soak'],
  // Without the targets that need root.
  ['--seed', 'nightly', '--target', 'freeze,emfile,enomem,clock,network', '--runs', '10'],
];

/** Runs the fault injection of test/chaos. Exits with 1 when a run differs from the undisturbed one. */
export const chaos = ({ nightly = false, ...options }: ChaosOptions): Promise<void> =>
  runTestProgram('test/chaos/main.ts', nightly ? nightlyPlans : [toArgv(options)]);
