/** A machine with GPUs for tests: a real program called nvidia-smi, in front of all others on the trainer's PATH. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import { projectRoot, python } from './project.ts';

export const gpuUuid = (index: number): string => `GPU-${index}${index}${index}-aaaa`;

export interface FakeGpus {
  /** From now on this much of each GPU's memory is used, by index, in MiB, by those processes. */
  use: (usedMib: number[], apps?: { gpu_uuid: string; pid: number; process_name: string }[]) => Promise<void>;
  /** The same activities on this machine. */
  equip: (dependencies: ActivityDependencies) => ActivityDependencies;
}

/** @param root a folder that is the test's own; it holds the leases, too. */
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
