import { Context } from '@temporalio/activity';

/** Well below every heartbeat timeout of workflows/support/policies.ts; Temporal thins the beats out by itself. */
const intervalMs = 2_000;

/**
 * Beats on a timer while `work` runs, with the newest details. A timer alone would hide a hang:
 * `work` must end by itself when nothing moves any more (a stalled download does; a trainer ends or is stopped).
 */
export async function withHeartbeat<T>(details: () => unknown, work: () => Promise<T>): Promise<T> {
  const beat = () => Context.current().heartbeat(details());
  beat();
  const timer = setInterval(beat, intervalMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
