import { runFolder, type JobFolder } from '../../configs/paths.ts';
import type { HostResult, Rendezvous } from '../../configs/schema/index.ts';
import { prepareInputs } from '../inputs/prepare-inputs.ts';
import { hostTopology } from '../shared/trainer/host-topology.ts';
import { SupervisorStartError } from '../shared/trainer/start-job.ts';
import type { RunningJob } from '../shared/trainer/trainer-process.ts';
import type { TrainDependencies } from './dependencies.ts';
import { classifyFailedStart } from './failures/classify-failure.ts';
import { createGpuWaitReporter } from './gpu-wait-reporter.ts';
import { launchOnHost } from './launch-on-host.ts';
import type { JoinRequest } from './training-request.ts';
import { isTransient } from './transient-error.ts';

/** Starts this host's ranks of a training that another host leads. @returns the result if the start failed. */
export async function startHostTrainer(
  dependencies: TrainDependencies,
  request: JoinRequest,
  job: JobFolder,
  { fence, endpoint, id, resume }: Rendezvous,
  onGpuWait: (text: string | null) => void,
): Promise<RunningJob | HostResult> {
  const { plan, host } = request;
  const { checkpoints } = runFolder(dependencies.home, plan.runId).train;
  const nodes = hostTopology(plan)?.hosts.length ?? 0;
  try {
    return await launchOnHost(dependencies, request, {
      job,
      fence,
      inputs: await prepareInputs(dependencies, plan),
      resume: resume === null ? undefined : { path: `${checkpoints}/${resume.file}`, planHash: resume.planHash },
      gpus: plan.gpus,
      without: [],
      rendezvous: { nodes, endpoint, id, here: { address: dependencies.address, isLeader: false } },
      gpuWait: createGpuWaitReporter(onGpuWait, host),
    });
  } catch (error) {
    if (!isTransient(error)) throw error;
    const lines = error instanceof SupervisorStartError ? error.lines : [];
    return { outcome: 'unstarted', cause: error.message, failure: classifyFailedStart(error, lines) };
  }
}
