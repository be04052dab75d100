import { execa } from 'execa';
import { z } from 'zod';
import type { PythonCommand } from './trainer-process.ts';

/** A driver that nobody keeps loaded takes seconds to answer. */
const timeoutMs = 20_000;

const Count = z.coerce.number().int();

export const Gpu = z.object({
  uuid: z.string().regex(/^[A-Za-z]+-[0-9A-Za-z-]+$/),
  index: Count,
  name: z.string(),
  totalMib: Count,
  /** By anybody. */
  usedMib: Count,
});
export type Gpu = z.infer<typeof Gpu>;

export const GpuProcess = z.object({ pid: Count, name: z.string(), usedMib: z.string() });
export type GpuProcess = z.infer<typeof GpuProcess>;

/** Every GPU in nvidia-smi's order; undefined where it is not there or does not answer. */
export async function listGpus(python: Pick<PythonCommand, 'env'>): Promise<Gpu[] | undefined> {
  const rows = await ask(python, '--query-gpu=uuid,index,name,memory.total,memory.used');
  return rows?.flatMap(([uuid, index, name, totalMib, usedMib]) => {
    const gpu = Gpu.safeParse({ uuid, index, name, totalMib, usedMib });
    return gpu.success ? [gpu.data] : [];
  });
}

/** Every process that computes on a GPU; empty without a GPU or its driver. */
export async function listGpuProcesses(python: Pick<PythonCommand, 'env'>): Promise<GpuProcess[]> {
  const rows = (await ask(python, '--query-compute-apps=pid,process_name,used_gpu_memory')) ?? [];
  return rows.flatMap(([pid, name = 'a process', usedMib = '?']) => {
    const one = GpuProcess.safeParse({ pid, name, usedMib });
    return one.success ? [one.data] : [];
  });
}

async function ask({ env }: Pick<PythonCommand, 'env'>, query: string): Promise<string[][] | undefined> {
  const options = { env, extendEnv: false, stdin: 'ignore', timeout: timeoutMs, reject: false } as const;
  const { failed, stdout } = await execa('nvidia-smi', [query, '--format=csv,noheader,nounits'], options);
  if (failed) return undefined;
  const lines = stdout.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => line.split(',').map((field) => field.trim()));
}
