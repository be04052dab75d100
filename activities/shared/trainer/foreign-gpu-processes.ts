import { listGpuProcesses } from './gpu-inventory.ts';
import { listDescendants } from './process-descendants.ts';
import type { PythonCommand } from './trainer-process.ts';

/** Lists the processes of other programs that hold GPU memory. Empty without a GPU or its driver. */
export async function listForeignGpuProcesses(
  python: Pick<PythonCommand, 'env'>,
  supervisorPid: number,
): Promise<string[]> {
  const processes = await listGpuProcesses(python);
  const ours = new Set([supervisorPid, ...(await listDescendants(supervisorPid))]);
  return processes
    .filter(({ pid }) => !ours.has(pid))
    .map(({ pid, name, usedMib }) => `${name} (pid ${pid}, ${usedMib} MiB)`);
}
