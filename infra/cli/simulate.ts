import { runTestProgram, toArgv, type PassedOptions } from './run-test-program.ts';

/** Runs the simulation of test/simulation. Exits with 1 when a schedule violates an oracle. */
export const simulate = (options: PassedOptions): Promise<void> =>
  runTestProgram('test/simulation/main.ts', [toArgv(options)]);
