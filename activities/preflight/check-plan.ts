import { Context } from '@temporalio/activity';
import type { Check, RunPlan } from '../../configs/schema/index.ts';
import type { InputDependencies } from '../inputs/dependencies.ts';
import type { NotifyDependencies } from '../notify/notify.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { checkNotify } from './check-notify.ts';
import { inspectPlan } from './inspect-plan.ts';

/** Creates the activity for the first half of the dry run, on the control worker. */
export const createCheckPlan =
  ({ preparer: obtain, notificationTargets: notifyPlaces }: InputDependencies & NotifyDependencies) =>
  async (plan: RunPlan): Promise<Check[]> => {
    const { cancellationSignal: signal } = Context.current();
    const checks = await withHeartbeat(
      () => 'inspecting the plan',
      () =>
        inspectPlan(
          (files) => obtain.findMissing(plan, files, signal),
          () => obtain.inspectArchives(plan, signal),
          plan,
        ),
    );
    return [...checks, ...checkNotify(plan.input.notify ?? [], notifyPlaces)];
  };
