import type { Check } from '../../configs/schema/index.ts';
import { formatBytes } from '../shared/summary/format-bytes.ts';

export interface DiskUsage {
  label: string;
  bytes: number;
}

/** Space for logs and reports. */
const marginBytes = 2e9;

/** Checks whether all of it fits on the disk. Entries of unknown size have 0 bytes. */
export function checkDisk(usage: readonly DiskUsage[], freeBytes: number, folder: string): Check {
  const parts = usage.filter(({ bytes }) => bytes > 0);
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  const list = parts.map((part) => `${formatBytes(part.bytes)} ${part.label}`).join(', ');
  const message = `${formatBytes(freeBytes)} free in ${folder}, ${formatBytes(bytes)} needed${list === '' ? '' : `: ${list}`}`;
  if (freeBytes >= bytes + marginBytes) return { name: 'disk', verdict: 'ok', message, remedy: null };
  const isEnough = freeBytes >= bytes;
  return {
    name: 'disk',
    verdict: isEnough ? 'warning' : 'error',
    message,
    remedy: isEnough
      ? 'Free more space: logs and reports need up to 2 GB.'
      : `Free at least ${formatBytes(bytes - freeBytes)}, or set EVERSWIN_HOME to a folder on a larger disk.`,
  };
}
