import type { Check, NotifyTarget } from '../../configs/schema/index.ts';
import type { NotificationTarget } from '../notify/notification-target.ts';

/** A name that the worker does not know is found now, and not when nobody hears of the run's end. */
export function checkNotify(
  targets: readonly NotifyTarget[],
  places: ReadonlyMap<string, NotificationTarget>,
): Check[] {
  const unknown = [...new Set(targets.map(({ ref }) => ref))].filter((ref) => !places.has(ref));
  return unknown.map((ref) => ({
    name: 'notifications',
    verdict: 'warning',
    message: `the control worker knows no ${ref}: nobody is told`,
    remedy: `Set EVERSWIN_NOTIFY_${ref}_URL in the environment of the control worker and restart it.`,
  }));
}
