import type { Check } from '../../configs/schema/index.ts';
import { showBytes } from '../shared/summary/show-bytes.ts';

export interface DiskNeed {
  what: string;
  bytes: number;
}

/** For logs, reports and what else grows beside it. */
const marginBytes = 2e9;

/** Whether all of it will fit at once. A need of unknown size is named with 0 bytes by whoever adds it up. */
export function checkDisk(needs: readonly DiskNeed[], freeBytes: number, folder: string): Check {
  const parts = needs.filter(({ bytes }) => bytes > 0);
  const bytes = parts.reduce((sum, need) => sum + need.bytes, 0);
  const list = parts.map((need) => `${showBytes(need.bytes)} ${need.what}`).join(', ');
  const says = `${showBytes(freeBytes)} free in ${folder}, ${showBytes(bytes)} needed${list === '' ? '' : `: ${list}`}`;
  if (freeBytes >= bytes + marginBytes) return { about: 'disk', verdict: 'ok', says, next: null };
  const isEnough = freeBytes >= bytes;
  return {
    about: 'disk',
    verdict: isEnough ? 'warning' : 'stop',
    says,
    next: isEnough
      ? 'Free some more: logs and reports need room, too.'
      : `Free at least ${showBytes(bytes - freeBytes)} there, or set EVERSWIN_HOME to a larger disk.`,
  };
}
