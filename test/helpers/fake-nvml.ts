/** Fakes NVML with a Python module named `pynvml` that comes first on the trainer's PYTHONPATH. */
import { copyFile, mkdir, rename, writeFile } from 'node:fs/promises';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import { gpuUuid } from './fake-gpus.ts';
import { projectRoot } from './project.ts';

/** Changes of a healthy GPU; test/fixtures/pynvml.py lists the fields. */
type GpuState = Record<string, unknown>;

export interface FakeNvml {
  /** Sets the state of each GPU, and of the driver. */
  set: (gpus: GpuState[], driver?: { hangs?: boolean; init?: number; events?: object[] }) => Promise<void>;
  equip: (dependencies: ActivityDependencies) => ActivityDependencies;
}

/** Code of NVML for a GPU that has fallen off the bus. */
export const gpuIsLost = { error: 15 };

export async function createFakeNvml(root: string, count: number): Promise<FakeNvml> {
  const folder = `${root}/nvml`;
  await mkdir(folder, { recursive: true });
  await copyFile(`${projectRoot}/test/fixtures/pynvml.py`, `${folder}/pynvml.py`);
  const set: FakeNvml['set'] = async (states, driver = {}) => {
    const gpus = states.map((state, index) => ({
      uuid: gpuUuid(index),
      name: 'Test GPU',
      bus: `00000000:4${index}:00.0`,
      usedMib: 3,
      ...state,
    }));
    await writeFile(`${folder}/nvml.new`, JSON.stringify({ gpus, ...driver }));
    await rename(`${folder}/nvml.new`, `${folder}/nvml.json`);
  };
  await set(Array.from({ length: count }, () => ({})));
  const equip: FakeNvml['equip'] = (dependencies) => {
    const { python } = dependencies;
    const env = { ...python.env, PYTHONPATH: `${folder}:${python.env.PYTHONPATH ?? ''}` };
    return { ...dependencies, python: { ...python, env } };
  };
  return { set, equip };
}
