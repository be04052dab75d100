import { existsSync } from 'node:fs';
import { hashNames } from '../../activities/verify/compare-stretch.ts';
import { NotVerifiable } from '../../activities/verify/recorded-run.ts';
import { verifyEpoch, type Verification } from '../../activities/verify/verify-epoch.ts';
import { formatDuration } from '../../activities/shared/summary/format-time.ts';
import { formatGpuWait } from '../../activities/shared/trainer/format-gpu-wait.ts';
import { runFolder } from '../../configs/paths.ts';
import { createDependencies } from '../../workers/dependencies.ts';
import { chooseDevice } from '../stack/device.ts';
import { createProgressBar } from '../terminal/progress-bar.ts';
import { exitCodes, UsageError } from '../terminal/program.ts';
import { runInterruptible } from '../terminal/wait-for-interrupt.ts';
import { explainUnknownRun } from './unknown-run.ts';

interface VerifyOptions {
  epoch: number;
  steps?: { first: number; last: number } | undefined;
  tolerance?: number | undefined;
  fromEarlier?: boolean | undefined;
  json?: boolean | undefined;
  device?: 'cpu' | 'cuda' | undefined;
}

/** Trains an epoch of a run again and compares it with the original. Exits with 1 if they differ. */
export async function verify(
  runId: string,
  { epoch, steps, tolerance, fromEarlier = false, json = false, device = chooseDevice() }: VerifyOptions,
): Promise<void> {
  const dependencies = createDependencies(device);
  const { home, slurm } = dependencies;
  if (!/^[\w.-]+$/.test(runId) || !existsSync(runFolder(home, runId).root))
    throw new UsageError(await explainUnknownRun(home, runId));
  if (slurm !== undefined)
    throw new UsageError('Verification does not start srun. Unset EVERSWIN_SLURM_NODES, and run it on one node.');
  const bar = createProgressBar(process.stderr);
  const verification = await runInterruptible((signal) =>
    verifyEpoch(dependencies, {
      runId,
      epoch,
      steps,
      tolerance,
      fromEarlier,
      signal,
      onWait: (wait) => wait !== null && console.error(`${formatGpuWait(wait)} …`),
      onStart: (message) => console.error(`${message} …`),
      onStep: (done, total) => process.stderr.isTTY && bar.show({ stage: 'step', done, total }),
    }).finally(bar.clear),
  ).catch((error: unknown) => {
    throw error instanceof NotVerifiable ? new UsageError(error.message) : error;
  });
  console.log(json ? JSON.stringify(verification, null, 2) : formatVerification(verification).join('\n'));
  if (!verification.equal) process.exitCode = exitCodes.failure;
}

/** Formats a verification for people. */
export function formatVerification(verification: Verification): string[] {
  const { run, epoch, equal, steps, losses, tolerance, hashes, notes, folder, seconds } = verification;
  const within =
    tolerance === 0
      ? 'bit for bit'
      : `within ${100 * tolerance} %; the largest difference is ${(100 * losses.largest).toFixed(2)} %`;
  const lines = [
    equal
      ? `Equal: epoch ${epoch} of ${run}, steps ${steps.first} to ${steps.last}. ${losses.steps} logged losses agree ${within}.`
      : `Different: epoch ${epoch} of ${run}. ${formatDifference(verification)}`,
  ];
  for (const one of hashes)
    lines.push(`  hashes of epoch ${one.epoch}: ${hashNames.map((name) => `${name} ${one[name]}`).join(', ')}`);
  for (const note of notes) lines.push(`  note: ${note}`);
  if (folder !== null) lines.push(`  The repetition is kept for comparison: ${folder}`);
  return [...lines, `  ${formatDuration(seconds)}`];
}

function formatDifference({ losses, hashes, steps }: Verification): string {
  if (losses.difference !== null) {
    const { step, lastEqual, original, repeated } = losses.difference;
    const since = lastEqual ?? steps.first - 1;
    const where = step - since > 1 ? ` The difference arises in steps ${since + 1} to ${step}.` : '';
    return `Step ${step} is the first that differs: loss ${original} in the run, ${repeated} in the repetition.${where}`;
  }
  const differing = hashes.flatMap((one) =>
    hashNames.filter((name) => one[name] === 'different').map((name) => `${name} of epoch ${one.epoch}`),
  );
  return `${losses.steps} logged losses agree, but these hashes differ: ${differing.join(', ')}.`;
}
