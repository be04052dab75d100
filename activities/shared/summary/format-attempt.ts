import type { Attempt } from '../../../configs/schema/index.ts';

/** Formats an attempt for the Temporal UI and the terminal: `attempt 2: epochs 12 → 19 on gpu-a, crashed: out-of-memory`. */
export function formatAttempt({ attempt, fromEpoch, epoch, host, outcome, failure }: Attempt): string {
  const epochs = epoch === null ? 'no step' : `epochs ${fromEpoch ?? '?'} → ${epoch}`;
  const where = host == null ? '' : ` on ${host}`;
  return `attempt ${attempt}: ${epochs}${where}, ${outcome}${failure === null ? '' : `: ${failure.class}`}`;
}
