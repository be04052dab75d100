import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { execa } from 'execa';
import { TrainerFacts, type GpuFacts, type MachineFacts } from '../../../configs/schema.ts';
import { listForeignGpuProcesses } from '../foreign-gpu-processes.ts';
import { readDiskSpace } from '../free-space.ts';
import { askTrainer } from '../trainer-command.ts';
import type { Device } from '../trainer-argv.ts';
import type { PythonCommand } from '../trainer-process.ts';

export interface MachinePlace {
  /** An existing folder of the disk that runs are kept on. */
  home: string;
  python: PythonCommand;
  device: Device;
  signal: AbortSignal;
}

const timeoutMs = 10_000;
const mebibyte = 2 ** 20;
const gpuFields = ['uuid', 'index', 'name', 'driver_version', 'memory.total', 'memory.used'];

/** What there is to train with. Nothing is started on a GPU. */
export async function readMachine({ home, python, device, signal }: MachinePlace): Promise<MachineFacts> {
  const isCuda = device === 'cuda';
  return {
    device,
    gpus: isCuda ? await listGpus(python) : [],
    foreignGpuProcesses: isCuda ? await listForeignGpuProcesses(python, process.pid) : [],
    memoryBytes: totalmem(),
    sharedMemoryBytes: await readSharedMemory(),
    openFiles: await readOpenFiles(),
    cores: availableParallelism(),
    diskFreeBytes: (await readDiskSpace(home)).freeBytes,
    trainer: await askTrainer({ python, signal, answer: TrainerFacts, argv: ['machine'] }),
  };
}

/** Empty without an NVIDIA driver. */
async function listGpus({ env }: Pick<PythonCommand, 'env'>): Promise<GpuFacts[]> {
  const argv = [`--query-gpu=${gpuFields.join(',')}`, '--format=csv,noheader,nounits'];
  const options = { env, extendEnv: false, stdin: 'ignore', timeout: timeoutMs, reject: false } as const;
  const { failed, stdout } = await execa('nvidia-smi', argv, options);
  if (failed) return [];
  return stdout.split('\n').flatMap((line) => {
    const [uuid, index, name, driver, total, used] = line.split(',').map((field) => field.trim());
    if (!uuid?.startsWith('GPU-')) return [];
    return [
      {
        ...{ uuid, index: Number(index), name: name ?? '?', driver: driver ?? '?' },
        ...{ memoryTotalBytes: Number(total) * mebibyte, memoryUsedBytes: Number(used) * mebibyte },
      },
    ];
  });
}

const readSharedMemory = (): Promise<number | null> =>
  statfs('/dev/shm').then(
    ({ bavail, bsize }) => bavail * bsize,
    () => null,
  );

/** How many files a process started from here may hold open. */
async function readOpenFiles(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const [, soft] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  return soft === undefined || soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft);
}
