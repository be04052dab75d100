import { execa } from 'execa';
import { z } from 'zod';
import { GpuFacts } from '../../../configs/schema/index.ts';
import type { PythonCommand } from './trainer-process.ts';

/** Without the persistence daemon, the driver loads on each query, which takes seconds. */
const timeoutMs = 20_000;
const mebibyte = 2 ** 20;

const Count = z.coerce.number().int();

const GpuProcess = z.object({ pid: Count, name: z.string(), usedMib: z.string() });
type GpuProcess = z.infer<typeof GpuProcess>;

/** Lists all GPUs in the order of nvidia-smi; undefined if nvidia-smi is missing, fails or times out. */
export async function listGpus(python: Pick<PythonCommand, 'env'>): Promise<GpuFacts[] | undefined> {
  const rows = await queryNvidiaSmi(python, '--query-gpu=uuid,index,name,driver_version,memory.total,memory.used');
  return rows?.flatMap(([uuid, index, name, driver, total, used]) => {
    const bytes = { memoryTotalBytes: Number(total) * mebibyte, memoryUsedBytes: Number(used) * mebibyte };
    const gpu = GpuFacts.safeParse({ uuid, index: Number(index), name, driver, ...bytes });
    return gpu.success ? [gpu.data] : [];
  });
}

/** Lists all compute processes on the GPUs. Empty without a GPU or its driver. */
export async function listGpuProcesses(python: Pick<PythonCommand, 'env'>): Promise<GpuProcess[]> {
  const rows = (await queryNvidiaSmi(python, '--query-compute-apps=pid,process_name,used_gpu_memory')) ?? [];
  return rows.flatMap(([pid, name = 'a process', usedMib = '?']) => {
    const one = GpuProcess.safeParse({ pid, name, usedMib });
    return one.success ? [one.data] : [];
  });
}

async function queryNvidiaSmi({ env }: Pick<PythonCommand, 'env'>, query: string): Promise<string[][] | undefined> {
  const options = { env, extendEnv: false, stdin: 'ignore', timeout: timeoutMs, reject: false } as const;
  const { failed, stdout } = await execa('nvidia-smi', [query, '--format=csv,noheader,nounits'], options);
  if (failed) return undefined;
  const lines = stdout.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => line.split(',').map((field) => field.trim()));
}
