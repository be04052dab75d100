import { listGpuProblems, listUsable } from '../shared/trainer/gpu-health.ts';
import type { Check, GpuFacts, GpuProblem, MachineFacts, RecipeFacts } from '../../configs/schema/index.ts';
import { formatBytes } from '../shared/summary/format-bytes.ts';
import { estimateHostMemory, type PlannedTraining } from './host-memory.ts';

interface MachineCheckInput {
  plan: PlannedTraining;
  known: RecipeFacts[string] | undefined;
  machine: MachineFacts;
}

const gibibyte = 2 ** 30;
/** Oldest driver that runs CUDA 12 programs (NVIDIA's minor-version compatibility). */
const minDriver = 525;
/** Loader processes pass batches of about 100 MB through /dev/shm. Docker's default is 64 MiB. */
const sharedMemoryPerLoader = 0.5 * gibibyte;
const minSharedMemory = 256 * 2 ** 20;
const recommendedOpenFiles = 4096;
/** A CPU needs minutes for what a GPU does in seconds. */
const maxCpuParameters = 10e6;

const ok = (name: string, message: string): Check => ({ name, verdict: 'ok', message, remedy: null });
const warning = (name: string, message: string, remedy: string): Check => ({
  name,
  verdict: 'warning',
  message,
  remedy,
});
const error = (name: string, message: string, remedy: string): Check => ({ name, verdict: 'error', message, remedy });
const reinstall = 'Delete .everswin/tools/trainer-env; the next command installs the locked environment again.';

/** Checks whether this machine meets the requirements of the plan. */
export const checkMachine = (question: MachineCheckInput): Check[] => [
  ...(question.machine.device === 'cpu' ? [checkCpu(question)] : checkGpus(question)),
  checkSharedMemory(question),
  checkOpenFiles(question),
  checkMemory(question),
  checkTrainer(question),
  ok('port', 'torchrun selects a free port at each start'),
];

function checkCpu({ known, plan }: MachineCheckInput): Check {
  const message = `cpu, ${plan.gpus} ${plan.gpus === 1 ? 'process' : 'processes'}`;
  if ((known?.parameters ?? 0) < maxCpuParameters) return ok('device', message);
  const remedy = 'Use a machine with GPUs. If this machine has GPUs, make sure that `nvidia-smi` works.';
  return error('device', `${message}; this recipe would take months without a GPU`, remedy);
}

function checkGpus({ plan, known, machine }: MachineCheckInput): Check[] {
  const { gpus, gpuHealth, foreignGpuProcesses, trainer } = machine;
  const requested = `${plan.gpus} GPUs requested`;
  const health = gpuHealth === null ? [] : listGpuProblems(gpuHealth).map(checkHealth);
  const usable = countUsable(machine);
  if (usable > 0 && usable < plan.gpus && plan.recovery.fewerGpus) {
    const message = `${requested}, ${usable} usable on this machine; the run trains on fewer (recovery.fewerGpus)`;
    return [warning('GPUs', message, 'Reset or replace the other GPUs; the run then uses them.'), ...health];
  }
  if (gpus.length === 0) {
    const remedy = 'Use a machine with GPUs. If this machine has GPUs, make sure that `nvidia-smi` works.';
    return [error('GPUs', `${requested}, but the NVIDIA driver does not respond`, remedy), ...health];
  }
  const names = gpus.map(({ index, name }) => `${index}: ${name}`).join(', ');
  const count =
    gpus.length < plan.gpus
      ? error(
          'GPUs',
          `${requested}, ${gpus.length} available on this machine (${names})`,
          `Set gpus to ${gpus.length} or less, or use another machine.`,
        )
      : ok('GPUs', `${requested}, ${gpus.length} available on this machine (${names})`);
  const tooFew =
    usable < plan.gpus && gpus.length >= plan.gpus
      ? error('GPUs', `${requested}, ${usable} usable on this machine`, 'Reset or replace the others, or lower gpus.')
      : count;
  return [
    tooFew,
    ...health,
    checkDriver(gpus),
    ...checkGpuMemory({ plan, known, machine }),
    foreignGpuProcesses.length === 0
      ? ok('other GPU processes', 'none')
      : warning(
          'other GPU processes',
          foreignGpuProcesses.join('; '),
          'Stop these processes; otherwise the run waits until their GPU memory is free.',
        ),
    checkTorch(machine),
    trainer.nccl === null && plan.gpus > 1
      ? error('NCCL', 'the installed torch has no NCCL', reinstall)
      : ok('NCCL', trainer.nccl ?? 'not needed for one GPU'),
  ];
}

/** Counts the GPUs on which a job can run; those of nvidia-smi if their health is unknown. */
const countUsable = ({ gpus, gpuHealth }: MachineFacts): number =>
  gpuHealth === null || gpuHealth.gpus.length === 0 ? gpus.length : listUsable(gpuHealth).length;

const checkHealth = ({ uuid, why, remedy }: GpuProblem): Check => warning(`GPU ${uuid}`, why, remedy);

function checkDriver(gpus: readonly GpuFacts[]): Check {
  const versions = [...new Set(gpus.map(({ driver }) => driver))];
  const isOld = versions.some((version) => Number.parseInt(version, 10) < minDriver);
  const message = versions.join(', ');
  if (!isOld) return ok('driver', message);
  return error(
    'driver',
    `${message}; the locked torch requires ${minDriver} or newer`,
    'Install a newer NVIDIA driver.',
  );
}

function checkGpuMemory({ plan, known, machine: { gpus } }: MachineCheckInput): Check[] {
  const need = known?.trainingMemoryGb;
  const free = gpus.map((gpu) => gpu.memoryTotalBytes - gpu.memoryUsedBytes).sort((a, b) => b - a);
  const smallest = free.slice(0, plan.gpus).at(-1) ?? 0;
  const available = `at least ${formatBytes(smallest)} free on each of the ${plan.gpus} GPUs with the most free memory`;
  if (need === undefined) return [ok('GPU memory', `${available}; the memory use of this recipe is not measured`)];
  const images = Math.min(plan.batchPerGpu, plan.recipe.summary.imagesAtOnce ?? plan.batchPerGpu);
  // Only activations grow with the number of images, so this estimate is an upper bound.
  const bytes = need.most * 1e9 * Math.max(1, images / need.images);
  const message = `${available}; about ${formatBytes(bytes)} needed for ${images} images per forward pass (${need.source})`;
  if (smallest >= bytes) return [ok('GPU memory', message)];
  const total = Math.max(...gpus.map(({ memoryTotalBytes }) => memoryTotalBytes));
  const remedy = 'Lower batchPerGpu. If memory runs out, recovery.outOfMemory splits batches (gradient accumulation).';
  return [total < bytes ? error('GPU memory', message, remedy) : warning('GPU memory', message, remedy)];
}

function checkTorch({ trainer: { packages, cuda, cudaDevices }, gpus }: MachineFacts): Check {
  const message = `torch ${packages.torch ?? '?'} for CUDA ${cuda ?? 'none'} sees ${cudaDevices} GPUs`;
  if (cudaDevices >= gpus.length) return ok('CUDA', message);
  return error(
    'CUDA',
    `${message} of ${gpus.length}`,
    'Unset CUDA_VISIBLE_DEVICES and check the output of `nvidia-smi`.',
  );
}

function checkSharedMemory({ plan, machine: { sharedMemoryBytes } }: MachineCheckInput): Check {
  const loaders = plan.gpus * plan.loaderWorkers;
  if (loaders === 0) return ok('shared memory', 'not needed: there are no loader processes');
  const requiredBytes = loaders * sharedMemoryPerLoader;
  const message = `${formatBytes(sharedMemoryBytes ?? 0)} free in /dev/shm for ${loaders} loader processes`;
  if ((sharedMemoryBytes ?? 0) >= requiredBytes) return ok('shared memory', message);
  const remedy = `Provide ${formatBytes(requiredBytes)}: use \`--shm-size\` of docker run, or remount /dev/shm.`;
  const isTooSmall = (sharedMemoryBytes ?? 0) < minSharedMemory;
  return isTooSmall
    ? error('shared memory', `${message}; they would crash with a bus error`, remedy)
    : warning('shared memory', message, remedy);
}

function checkOpenFiles({ machine: { openFiles } }: MachineCheckInput): Check {
  if (openFiles >= recommendedOpenFiles) return ok('open files', `${openFiles} per process`);
  return warning(
    'open files',
    `${openFiles} per process`,
    `Run \`ulimit -n ${recommendedOpenFiles}\` before you start the worker.`,
  );
}

/** A cgroup limit, such as that of a container, counts as the memory of the machine. */
function checkMemory({ plan, known, machine: { device, cores, trainer } }: MachineCheckInput): Check {
  const { measuredBytes, recommendedBytes, parts } = estimateHostMemory(plan, known, device);
  const list = parts.map(({ label, bytes }) => `${formatBytes(bytes)} for ${label}`).join(', ');
  const message = `${formatBytes(trainer.memoryBytes)}, ${cores} cores; ${formatBytes(measuredBytes)} needed: ${list}`;
  if (trainer.memoryBytes >= recommendedBytes) return ok('memory', message);
  const remedy = `Provide ${formatBytes(recommendedBytes)}, which includes what was not measured (test/bench/README.md), or lower gpus or loaderWorkers.`;
  return trainer.memoryBytes < measuredBytes ? error('memory', message, remedy) : warning('memory', message, remedy);
}

function checkTrainer({ machine: { trainer } }: MachineCheckInput): Check {
  const packages = Object.entries(trainer.packages).map(([name, version]) => `${name} ${version ?? 'missing'}`);
  const message = [`Python ${trainer.python}`, ...packages].join(', ');
  if (!Object.values(trainer.packages).includes(null)) return ok('versions', message);
  return error('versions', message, reinstall);
}
