import { Context } from '@temporalio/activity';
import type { Check, RunPlan } from '../../configs/schema/index.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { gpusHere } from '../train/gpu-wish.ts';
import { whileBeating } from '../shared/temporal/heartbeat.ts';
import { inspectMachine } from './inspect-machine.ts';

/** The dry run's second half, on the machine that will train. */
export const createCheckMachine =
  ({ home, python, device, slurm, obtain }: ActivityDependencies) =>
  (plan: RunPlan): Promise<Check[]> => {
    const { cancellationSignal: signal } = Context.current();
    return whileBeating(
      () => 'looking at the machine',
      () =>
        inspectMachine({ home, python, device, signal }, (files) => obtain.findMissing(plan, files, signal), {
          ...plan,
          gpus: gpusHere({ slurm }, plan),
        }),
    );
  };
