import type { MirrorDependencies } from './dependencies.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { flushMirror, type FinishedRun } from './mirror.ts';

/** Uploads the rest of a finished run to its artifact store: last checkpoints, detections, report and manifest. */
export const createMirrorRun =
  (dependencies: MirrorDependencies) =>
  (plan: FinishedRun['plan'], trained?: FinishedRun['trained']): Promise<void> => {
    let details: unknown = 'starting';
    return withHeartbeat(
      () => details,
      () => flushMirror(dependencies, { plan, trained }, (copy) => (details = copy)),
    );
  };
