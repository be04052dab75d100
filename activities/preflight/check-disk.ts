import type { Check } from '../../configs/schema/index.ts';
import { formatBytes } from '../shared/summary/format-bytes.ts';

export interface DiskUsage {
  label: string;
  bytes: number;
}

/** For logs, reports and what else grows beside it. */
const marginBytes = 2e9;

/** Whether all of it will fit at once. A need of unknown size is named with 0 bytes by whoever adds it up. */
export function checkDisk(needs: readonly DiskUsage[], freeBytes: number, folder: string): Check {
  const parts = needs.filter(({ bytes }) => bytes > 0);
  const bytes = parts.reduce((sum, need) => sum + need.bytes, 0);
  const list = parts.map((need) => `${formatBytes(need.bytes)} ${need.label}`).join(', ');
  const says = `${formatBytes(freeBytes)} free in ${folder}, ${formatBytes(bytes)} needed${list === '' ? '' : `: ${list}`}`;
  if (freeBytes >= bytes + marginBytes) return { name: 'disk', verdict: 'ok', message: says, remedy: null };
  const isEnough = freeBytes >= bytes;
  return {
    name: 'disk',
    verdict: isEnough ? 'warning' : 'error',
    message: says,
    remedy: isEnough
      ? 'Free some more: logs and reports need room, too.'
      : `Free at least ${formatBytes(bytes - freeBytes)} there, or set EVERSWIN_HOME to a larger disk.`,
  };
}
