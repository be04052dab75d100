import { Context } from '@temporalio/activity';
import type { RunPlan } from '../../configs/schema/index.ts';
import type { MirrorDependencies } from './dependencies.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { flushMirror } from './mirror.ts';

/** Uploads the rest of a finished run to its artifact store: last checkpoints, detections, report and manifest. */
export const createMirrorRun =
  (dependencies: MirrorDependencies) =>
  (plan: RunPlan): Promise<void> => {
    let details: unknown = 'starting';
    const { cancellationSignal: signal } = Context.current();
    return withHeartbeat(
      () => details,
      () => flushMirror(dependencies, plan, signal, (copy) => (details = copy)),
    );
  };
