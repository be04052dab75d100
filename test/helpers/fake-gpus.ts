/** Simulates GPUs with a program called nvidia-smi that comes first on the trainer's PATH. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import { projectRoot, python } from './project.ts';

export const gpuUuid = (index: number): string => `GPU-${index}${index}${index}-aaaa`;

export interface FakeGpus {
  /** Sets the used memory in MiB by GPU index, and the processes that use it. */
  use: (usedMib: number[], apps?: { gpu_uuid: string; pid: number; process_name: string }[]) => Promise<void>;
  /** Returns the dependencies with these GPUs. */
  equip: (dependencies: ActivityDependencies) => ActivityDependencies;
}

/** @param root temporary folder of the test, which also holds the leases. */
export async function createFakeGpus(root: string, count: number): Promise<FakeGpus> {
  const [bin, state] = [`${root}/gpu-bin`, `${root}/gpu-state.json`];
  await mkdir(bin, { recursive: true });
  const script = `#!/bin/sh\nexec ${python} ${projectRoot}/test/fixtures/nvidia_smi.py ${state} "$@"\n`;
  await writeFile(`${bin}/nvidia-smi`, script, { mode: 0o755 });
  const use: FakeGpus['use'] = async (usedMib, apps = []) => {
    const gpus = usedMib.map((used, index) => ({
      uuid: gpuUuid(index),
      index,
      name: 'Test GPU',
      driver_version: '570.1',
      'memory.total': 24576,
      'memory.used': used,
    }));
    const used = apps.map((app) => ({ ...app, used_gpu_memory: usedMib[Number(app.gpu_uuid[4])] }));
    await writeFile(`${state}.new`, JSON.stringify({ gpus, apps: used }));
    await rename(`${state}.new`, state);
  };
  await use(Array.from({ length: count }, () => 3));
  const equip: FakeGpus['equip'] = (dependencies) => {
    const { python: command } = dependencies;
    const env = { ...command.env, PATH: `${bin}:/usr/bin:/bin` };
    const gpus = { ...dependencies.gpus, folder: `${root}/leases` };
    return { ...dependencies, device: 'cuda', gpus, python: { ...command, env } };
  };
  return { use, equip };
}
