import type { Check, NotifyTarget } from '../../configs/schema/index.ts';
import type { NotificationTarget } from '../notify/notification-target.ts';

/** Warns about notification targets without a configured address, before the run depends on them. */
export function checkNotify(
  targets: readonly NotifyTarget[],
  configured: ReadonlyMap<string, NotificationTarget>,
): Check[] {
  const unknown = [...new Set(targets.map(({ ref }) => ref))].filter((ref) => !configured.has(ref));
  return unknown.map((ref) => ({
    name: 'notifications',
    verdict: 'warning',
    message: `notification target ${ref} is not configured; nothing will be sent to it`,
    remedy: `Set EVERSWIN_NOTIFY_${ref}_URL for the control worker and restart it.`,
  }));
}
