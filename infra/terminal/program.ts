/** Exit codes of every command. `everswin --help` and docs/reference/commands.md list them. */
export const exitCodes = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** An argument that the command cannot use. The program exits with 2. */
export class UsageError extends Error {}

/** Prints what went wrong; the program exits with 1. */
export function fail(message: string): void {
  console.error(message);
  process.exitCode = exitCodes.failure;
}

/** Runs a command: prints its error as a sentence, and exits quietly when a reader such as `head` closes the pipe. */
export async function runProgram(main: () => Promise<void>): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  await main().catch(async (error: unknown) => {
    // Loaded only now: it loads the Temporal client, which would double the time of `everswin --help`.
    const { formatError } = await import('./format-error.ts');
    fail(formatError(error));
    if (error instanceof UsageError) process.exitCode = exitCodes.usage;
    // The SDK leaves threads when a worker cannot start. With them, the process would neither work nor end.
    process.exit();
  });
}
