import { execa } from 'execa';
import { descendantsOf } from './process-descendants.ts';
import type { PythonCommand } from './trainer-process.ts';

const timeoutMs = 5_000;
const argv = ['--query-compute-apps=pid,process_name,used_gpu_memory', '--format=csv,noheader,nounits'];

/** Who else holds GPU memory, one line a process. Empty without a GPU or its driver. */
export async function listForeignGpuProcesses(
  { env }: Pick<PythonCommand, 'env'>,
  supervisorPid: number,
): Promise<string[]> {
  const options = { env, extendEnv: false, stdin: 'ignore', timeout: timeoutMs, reject: false } as const;
  const { failed, stdout } = await execa('nvidia-smi', argv, options);
  if (failed) return [];
  const ours = new Set([supervisorPid, ...(await descendantsOf(supervisorPid))]);
  return stdout.split('\n').flatMap((line) => {
    const [pid, name, megabytes] = line.split(',').map((field) => field.trim());
    if (!pid || !/^\d+$/.test(pid) || ours.has(Number(pid))) return [];
    return [`${name ?? 'a process'} (pid ${pid}, ${megabytes ?? '?'} MiB)`];
  });
}
