/** The command `everswin`. */
import { CommanderError } from '@commander-js/extra-typings';
import { exitCodes, runProgram } from '../terminal/program.ts';
import { createProgram } from './program.ts';

await runProgram(async () => {
  try {
    await createProgram().parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has already printed the help or the error.
    process.exitCode = error.exitCode === 0 ? exitCodes.success : exitCodes.usage;
  }
});
