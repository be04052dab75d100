import { formatError } from './format-error.ts';

/** Prints what went wrong; the program exits with 1. */
export function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}

/** Runs a command: prints its error as a sentence, and exits quietly when a reader such as `head` closes the pipe. */
export async function runProgram(main: () => Promise<void>): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  await main().catch((error: unknown) => fail(formatError(error)));
}
