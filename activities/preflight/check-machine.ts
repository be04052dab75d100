import { Context } from '@temporalio/activity';
import type { Check, RunPlan } from '../../configs/schema/index.ts';
import type { InputDependencies } from '../inputs/dependencies.ts';
import type { GpuDependencies } from '../train/dependencies.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';
import { gpusOnThisHost } from '../train/gpu-request.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { inspectMachine } from './inspect-machine.ts';

/** What inspecting the machine that trains needs from the worker. */
export interface MachineDependencies extends InputDependencies, GpuDependencies {
  python: PythonCommand;
}

/** The dry run's second half, on the machine that will train. */
export const createCheckMachine =
  ({ home, python, device, slurm, preparer: obtain }: MachineDependencies) =>
  (plan: RunPlan): Promise<Check[]> => {
    const { cancellationSignal: signal } = Context.current();
    return withHeartbeat(
      () => 'looking at the machine',
      () =>
        inspectMachine({ home, python, device, signal }, (files) => obtain.findMissing(plan, files, signal), {
          ...plan,
          gpus: gpusOnThisHost({ slurm }, plan),
        }),
    );
  };
