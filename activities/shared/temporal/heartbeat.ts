import { Context } from '@temporalio/activity';

/** Far below every heartbeat timeout in workflows/support/policies.ts; the SDK throttles heartbeats. */
const intervalMs = 2_000;

/**
 * Sends heartbeats with the newest details on a timer while `work` runs. A timer cannot detect a hang, so `work` must
 * end by itself when it makes no progress: downloads and trainers have their own stall timeouts.
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
