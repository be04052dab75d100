import type { Check, GpuFacts, MachineFacts, RecipeFacts, RunPlan } from '../../configs/schema/index.ts';
import { formatBytes } from '../shared/summary/format-bytes.ts';

export interface MachineCheckInput {
  plan: Pick<RunPlan, 'gpus' | 'batchPerGpu' | 'loaderWorkers' | 'recipe'>;
  known: RecipeFacts[string] | undefined;
  machine: MachineFacts;
}

const gibibyte = 2 ** 30;
/** The oldest driver on which CUDA 12 programs run (NVIDIA's minor-version compatibility). */
const minDriver = 525;
/** Loader processes hand batches of some 100 MB over through it; Docker gives 64 MiB unless told otherwise. */
const sharedMemoryPerLoader = 0.5 * gibibyte;
const minSharedMemory = 256 * 2 ** 20;
const recommendedOpenFiles = 4096;
/** Model, data set index and batches of one rank and its loaders, in memory of the machine. */
const memoryPerRank = 6 * gibibyte;
/** Images are trained on in seconds on a GPU, in minutes on a CPU. */
const maxCpuParameters = 10e6;

const ok = (about: string, says: string): Check => ({ name: about, verdict: 'ok', message: says, remedy: null });
const warning = (about: string, says: string, next: string): Check => ({
  name: about,
  verdict: 'warning',
  message: says,
  remedy: next,
});
const error = (about: string, says: string, next: string): Check => ({
  name: about,
  verdict: 'error',
  message: says,
  remedy: next,
});

/** Whether this machine can do what the plan asks of it. */
export const checkMachine = (question: MachineCheckInput): Check[] => [
  ...(question.machine.device === 'cpu' ? [checkCpu(question)] : checkGpus(question)),
  checkSharedMemory(question),
  checkOpenFiles(question),
  checkMemory(question),
  checkTrainer(question),
  ok('port', 'torchrun takes a free one at each start'),
];

function checkCpu({ known, plan }: MachineCheckInput): Check {
  const says = `cpu, ${plan.gpus} ${plan.gpus === 1 ? 'process' : 'processes'}`;
  if ((known?.parameters ?? 0) < maxCpuParameters) return ok('device', says);
  const next = 'Run it on the machine with the GPUs; if it is that one, `nvidia-smi` must work there.';
  return error('device', `${says}: no GPU, and without one this recipe takes months`, next);
}

function checkGpus({ plan, known, machine }: MachineCheckInput): Check[] {
  const { gpus, foreignGpuProcesses, trainer } = machine;
  const wanted = `${plan.gpus} wanted`;
  if (gpus.length === 0) {
    const next = 'Run this on the machine with the GPUs; if it is that one, `nvidia-smi` must work there.';
    return [error('GPUs', `${wanted}, no NVIDIA driver answers here`, next)];
  }
  const names = gpus.map(({ index, name }) => `${index}: ${name}`).join(', ');
  const count =
    gpus.length < plan.gpus
      ? error(
          'GPUs',
          `${wanted}, ${gpus.length} here (${names})`,
          `Set gpus to ${gpus.length}, or use another machine.`,
        )
      : ok('GPUs', `${wanted}, ${gpus.length} here (${names})`);
  return [
    count,
    checkDriver(gpus),
    ...checkGpuMemory({ plan, known, machine }),
    foreignGpuProcesses.length === 0
      ? ok('other GPU processes', 'none')
      : warning('other GPU processes', foreignGpuProcesses.join('; '), 'End them, or the run waits for their memory.'),
    checkTorch(machine),
    trainer.nccl === null && plan.gpus > 1
      ? error(
          'NCCL',
          'this torch has none',
          'Install the locked environment again: delete .everswin/tools/trainer-env.',
        )
      : ok('NCCL', trainer.nccl ?? 'not needed by one GPU'),
  ];
}

function checkDriver(gpus: readonly GpuFacts[]): Check {
  const versions = [...new Set(gpus.map(({ driver }) => driver))];
  const isOld = versions.some((version) => Number.parseInt(version, 10) < minDriver);
  const says = versions.join(', ');
  if (!isOld) return ok('driver', says);
  return error('driver', `${says}; the locked torch needs ${minDriver} or newer`, 'Install a newer NVIDIA driver.');
}

function checkGpuMemory({ plan, known, machine: { gpus } }: MachineCheckInput): Check[] {
  const need = known?.trainingMemoryGb;
  const free = gpus.map((gpu) => gpu.memoryTotalBytes - gpu.memoryUsedBytes).sort((a, b) => b - a);
  const smallest = free.slice(0, plan.gpus).at(-1) ?? 0;
  const has = `${formatBytes(smallest)} free on the fullest of the ${plan.gpus} emptiest`;
  if (need === undefined) return [ok('GPU memory', `${has}; nobody has measured what this recipe needs`)];
  const images = Math.min(plan.batchPerGpu, plan.recipe.summary.imagesAtOnce ?? plan.batchPerGpu);
  // Activations grow with the images, the rest does not: so this errs on the safe side.
  const bytes = need.most * 1e9 * Math.max(1, images / need.images);
  const says = `${has}; about ${formatBytes(bytes)} needed with ${images} images at a time (${need.source})`;
  if (smallest >= bytes) return [ok('GPU memory', says)];
  const total = Math.max(...gpus.map(({ memoryTotalBytes }) => memoryTotalBytes));
  const next = 'Lower batchPerGpu; recovery.outOfMemory cuts batches into parts when it does run out.';
  return [total < bytes ? error('GPU memory', says, next) : warning('GPU memory', says, next)];
}

function checkTorch({ trainer: { packages, cuda, cudaDevices }, gpus }: MachineFacts): Check {
  const says = `torch ${packages.torch ?? '?'} for CUDA ${cuda ?? 'none'} sees ${cudaDevices} GPUs`;
  if (cudaDevices >= gpus.length) return ok('CUDA', says);
  return error(
    'CUDA',
    `${says} of ${gpus.length}`,
    'Unset CUDA_VISIBLE_DEVICES, and see whether `nvidia-smi` is well.',
  );
}

function checkSharedMemory({ plan, machine: { sharedMemoryBytes } }: MachineCheckInput): Check {
  const loaders = plan.gpus * plan.loaderWorkers;
  if (loaders === 0) return ok('shared memory', 'not needed: ranks load images themselves');
  const wanted = loaders * sharedMemoryPerLoader;
  const says = `${formatBytes(sharedMemoryBytes ?? 0)} of /dev/shm for ${loaders} loader processes`;
  if ((sharedMemoryBytes ?? 0) >= wanted) return ok('shared memory', says);
  const next = `Give it ${formatBytes(wanted)}: \`--shm-size\` of docker run, or remount /dev/shm.`;
  const isVain = (sharedMemoryBytes ?? 0) < minSharedMemory;
  return isVain
    ? error('shared memory', `${says}: they would die of a bus error`, next)
    : warning('shared memory', says, next);
}

function checkOpenFiles({ machine: { openFiles } }: MachineCheckInput): Check {
  if (openFiles >= recommendedOpenFiles) return ok('open files', `${openFiles} a process`);
  return warning(
    'open files',
    `${openFiles} a process`,
    `\`ulimit -n ${recommendedOpenFiles}\` before the worker starts.`,
  );
}

function checkMemory({ plan, machine: { memoryBytes, cores } }: MachineCheckInput): Check {
  const wanted = plan.gpus * memoryPerRank;
  const says = `${formatBytes(memoryBytes)}, ${cores} cores`;
  if (memoryBytes >= wanted) return ok('memory', says);
  return warning(
    'memory',
    `${says}; ${formatBytes(wanted)} is comfortable`,
    'Lower loaderWorkers if the kernel ends ranks.',
  );
}

function checkTrainer({ machine: { trainer } }: MachineCheckInput): Check {
  const packages = Object.entries(trainer.packages).map(([name, version]) => `${name} ${version ?? 'missing'}`);
  const says = [`Python ${trainer.python}`, ...packages].join(', ');
  if (!Object.values(trainer.packages).includes(null)) return ok('versions', says);
  return error('versions', says, 'Install the locked environment again: delete .everswin/tools/trainer-env.');
}
