import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { TrainerFacts, type MachineFacts } from '../../configs/schema/index.ts';
import { listForeignGpuProcesses } from '../shared/trainer/foreign-gpu-processes.ts';
import { readDiskSpace } from '../shared/files/free-space.ts';
import { readGpuHealth, type GpuHealthSettings } from '../shared/trainer/gpu-health.ts';
import { listGpus } from '../shared/trainer/gpu-inventory.ts';
import { runTrainerCommand } from '../shared/trainer/trainer-command.ts';
import type { Device } from '../shared/trainer/trainer-argv.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';

export interface MachineContext {
  /** Existing folder on the disk of the runs. */
  home: string;
  python: PythonCommand;
  device: Device;
  gpus: GpuHealthSettings;
  signal: AbortSignal;
}

/** Reads the hardware and software facts of this machine. Starts nothing on a GPU. */
export async function readMachine(context: MachineContext): Promise<MachineFacts> {
  const { home, python, device, signal } = context;
  const isCuda = device === 'cuda';
  return {
    device,
    gpus: isCuda ? ((await listGpus(python)) ?? []) : [],
    gpuHealth: (await readGpuHealth(context, { known: [] }, signal)) ?? null,
    foreignGpuProcesses: isCuda ? await listForeignGpuProcesses(python, process.pid) : [],
    sharedMemoryBytes: await readSharedMemory(),
    openFiles: await readOpenFiles(),
    cores: availableParallelism(),
    diskFreeBytes: (await readDiskSpace(home)).freeBytes,
    trainer: await runTrainerCommand({ python, signal, output: TrainerFacts, argv: ['machine'] }),
  };
}

const readSharedMemory = (): Promise<number | null> =>
  statfs('/dev/shm').then(
    ({ bavail, bsize }) => bavail * bsize,
    () => null,
  );

/** Reads the limit of open files that child processes inherit. */
async function readOpenFiles(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const [, soft] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  return soft === undefined || soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft);
}
