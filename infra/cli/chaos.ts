import { execa } from 'execa';
import { projectFile } from '../../workers/env.ts';
import { exitCodes } from '../terminal/program.ts';
import { waitForInterrupt } from '../terminal/wait-for-interrupt.ts';

interface ChaosOptions {
  /** Runs the plans that take too long for the test suite, instead of the plan that the other options describe. */
  nightly?: boolean | undefined;
  [option: string]: string | number | boolean | undefined;
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
export async function chaos({ nightly = false, ...options }: ChaosOptions): Promise<void> {
  const given = Object.entries(options).flatMap(([name, value]) =>
    typeof value === 'string' || typeof value === 'number' ? [`--${name}`, `${value}`] : [],
  );
  const interruption = new AbortController();
  void waitForInterrupt().then(() => interruption.abort());
  for (const argv of nightly ? nightlyPlans : [given]) {
    const main = projectFile('test/chaos/main.ts');
    const running = execa(process.execPath, [main, ...argv], { stdio: 'inherit', reject: false });
    // It stops its stack, which takes seconds.
    interruption.signal.addEventListener('abort', () => running.kill('SIGTERM'), { once: true });
    const { exitCode = 1 } = await running;
    if (exitCode !== 0) process.exitCode = exitCode;
    if (interruption.signal.aborted) process.exit(exitCodes.interrupted);
  }
}
