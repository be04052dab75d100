import { execa } from 'execa';
import { projectFile } from '../../workers/env.ts';

type SimulateOptions = Record<string, string | number | boolean | undefined>;

/** Runs the simulation of test/simulation. Exits with 1 when a schedule violates an oracle. */
export async function simulate(options: SimulateOptions): Promise<void> {
  const argv = Object.entries(options).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, `${value}`],
  );
  const { exitCode = 1 } = await execa(process.execPath, [projectFile('test/simulation/main.ts'), ...argv], {
    stdio: 'inherit',
    reject: false,
  });
  process.exitCode = exitCode;
}
