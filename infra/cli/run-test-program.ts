import { execa } from 'execa';
import { projectFile } from '../../workers/env.ts';
import { exitCodes } from '../terminal/program.ts';
import { waitForInterrupt } from '../terminal/wait-for-interrupt.ts';

/** Parsed options of a command that hands them on to a program in test/. */
export type PassedOptions = Record<string, string | number | boolean | undefined>;

/** Formats options as arguments: a value after its name, and a switch that is on as its name alone. */
export const toArgv = (options: PassedOptions): string[] =>
  Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    return value === true ? [`--${name}`] : [`--${name}`, `${value}`];
  });

/**
 * Runs a program in test/ once for each list of arguments. Exits with its code if one fails, and with 130 after a signal,
 * once the program has cleaned up.
 */
export async function runTestProgram(path: string, argumentLists: string[][]): Promise<void> {
  const interruption = new AbortController();
  void waitForInterrupt().then(() => interruption.abort());
  for (const argv of argumentLists) {
    const running = execa(process.execPath, [projectFile(path), ...argv], { stdio: 'inherit', reject: false });
    interruption.signal.addEventListener('abort', () => running.kill('SIGTERM'), { once: true });
    const { exitCode = exitCodes.failure } = await running;
    if (exitCode !== 0) process.exitCode = exitCode;
    if (interruption.signal.aborted) process.exit(exitCodes.interrupted);
  }
}
