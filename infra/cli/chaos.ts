import { execa } from 'execa';
import { projectFile } from '../../workers/env.ts';

/** Runs the fault injection of test/chaos with the given options, and exits with its exit code. */
export async function chaos(options: Record<string, string | undefined>): Promise<void> {
  const argv = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  const { exitCode } = await execa(process.execPath, [projectFile('test/chaos/main.ts'), ...argv], {
    stdio: 'inherit',
    reject: false,
  });
  process.exitCode = exitCode ?? 1;
}
