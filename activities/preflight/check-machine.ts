import { Context } from '@temporalio/activity';
import type { Check, RunPlan } from '../../configs/schema/index.ts';
import type { InputDependencies } from '../inputs/dependencies.ts';
import type { GpuDependencies } from '../train/dependencies.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';
import { gpusOnThisHost } from '../train/gpu-request.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { inspectMachine } from './inspect-machine.ts';

/** Worker dependencies of inspecting the training machine. */
export interface MachineDependencies extends InputDependencies, GpuDependencies {
  python: PythonCommand;
}

/** Creates the activity for the second half of the dry run, on the training machine. */
export const createCheckMachine =
  ({ home, python, device, gpus, slurm, preparer: obtain }: MachineDependencies) =>
  (plan: RunPlan): Promise<Check[]> => {
    const { cancellationSignal: signal } = Context.current();
    return withHeartbeat(
      () => 'inspecting the machine',
      () =>
        inspectMachine({ home, python, device, gpus, signal }, (files) => obtain.findMissing(plan, files, signal), {
          ...plan,
          gpus: gpusOnThisHost({ slurm }, plan),
        }),
    );
  };
