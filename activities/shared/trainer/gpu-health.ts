import { setTimeout as sleep } from 'node:timers/promises';
import { GpuHealth, type GpuProblem } from '../../../configs/schema/index.ts';
import { raceSignal } from '../download/sources/race-signal.ts';
import type { Device } from './trainer-argv.ts';
import { runTrainerCommand } from './trainer-command.ts';
import type { PythonCommand } from './trainer-process.ts';

export interface GpuHealthSettings {
  /** Folder of the leases and the queue, shared by all workers of the machine. */
  folder: string;
  /** MiB of GPU memory that processes of other programs may use on a GPU that counts as free. */
  foreignMib: number;
  /** Seconds between two readings of the health of the GPUs. */
  healthSeconds: number;
  /** Seconds after which a driver that does not answer counts as broken. It may first load for some seconds. */
  healthTimeoutSeconds: number;
}

export interface HealthReader {
  python: PythonCommand;
  device: Device;
  gpus: Pick<GpuHealthSettings, 'folder' | 'foreignMib' | 'healthTimeoutSeconds'>;
}

interface HealthRequest {
  /** Folder of the job that asks; a GPU that it holds counts as free. */
  job?: string;
  /** UUIDs that must be there. */
  known: readonly string[];
  /** UUIDs whose errors end the wait of `watchSeconds` early. */
  watched?: readonly string[];
  watchSeconds?: number;
}

/**
 * Reads the health of the GPUs in a process of its own: a broken driver may block it indefinitely, so it is abandoned after
 * a time limit.
 * @returns undefined on a machine without NVIDIA GPUs, or if the worker trains on the CPU.
 */
export async function readGpuHealth(
  { python, device, gpus }: HealthReader,
  { job, known, watched = [], watchSeconds = 0 }: HealthRequest,
  signal: AbortSignal,
): Promise<GpuHealth | undefined> {
  if (device === 'cpu') return undefined;
  const limitMs = (watchSeconds + gpus.healthTimeoutSeconds) * 1000;
  const isOver = AbortSignal.timeout(limitMs);
  const watch = watched.length === 0 ? [] : ['--watch', ...watched, '--seconds', String(watchSeconds)];
  const expected = known.length === 0 ? [] : ['--expect', ...known];
  const limits = ['--gpu-folder', gpus.folder, '--foreign-mib', String(gpus.foreignMib)];
  const own = job === undefined ? [] : ['--job-dir', job];
  const argv = ['gpu-health', ...limits, ...own, ...expected, ...watch];
  const either = AbortSignal.any([signal, isOver]);
  try {
    const health = await raceSignal(runTrainerCommand({ python, argv, output: GpuHealth, signal: either }), either);
    return health.gpus.length === 0 && health.problem === null ? undefined : health;
  } catch (error) {
    signal.throwIfAborted();
    const problem = isOver.aborted
      ? `the NVIDIA driver did not answer within ${gpus.healthTimeoutSeconds} s`
      : `the health of the GPUs could not be read: ${error instanceof Error ? error.message : String(error)}`;
    return { v: 1, at: Date.now() / 1000, problem, gpus: [], waiting: [] };
  }
}

/** Lists what is wrong with the GPUs and their driver. */
export function listGpuProblems({ problem, gpus }: GpuHealth): GpuProblem[] {
  const found = gpus.flatMap(({ uuid, name, verdict, findings }): GpuProblem[] => {
    const [worst] = findings.toSorted((a, b) => Number(b.verdict === verdict) - Number(a.verdict === verdict));
    if (worst === undefined) return [];
    const kinds = [...new Set(findings.map(({ kind }) => kind))];
    return [{ uuid, name, verdict, kinds, why: findings.map(({ message }) => message).join('; '), remedy: worst.remedy }];
  });
  if (problem === null) return found;
  const remedy = 'Restart the machine, and check the driver with nvidia-smi.';
  return [{ uuid: 'driver', name: null, verdict: 'warning', kinds: ['driver'], why: problem, remedy }, ...found];
}

/** Lists the GPUs on which a job can run. */
export const listUsable = ({ gpus }: GpuHealth): string[] =>
  gpus.filter(({ verdict }) => verdict !== 'unusable').map(({ uuid }) => uuid);

/** Polls the health of the GPUs until `isEnough`. */
export async function waitForHealth(
  reader: HealthReader,
  known: readonly string[],
  everySeconds: number,
  isEnough: (health: GpuHealth) => boolean,
  signal: AbortSignal,
): Promise<GpuHealth | undefined> {
  for (;;) {
    const health = await readGpuHealth(reader, { known }, signal);
    if (health === undefined || isEnough(health)) return health;
    await sleep(everySeconds * 1000, undefined, { signal });
  }
}
