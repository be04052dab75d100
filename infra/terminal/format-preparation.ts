import type { PreparationProgress } from '../../configs/schema/index.ts';
import { formatBytes } from '../../activities/shared/summary/format-bytes.ts';

/** Share of a file after which another line is printed. */
const stepShare = 0.1;

/**
 * Returns a function that formats the progress of downloads, checks and packing: a line when a file first appears, one
 * for every tenth of it, and one for each note, such as the reason for a retry.
 */
export function createPreparationFormatter(): (now: readonly PreparationProgress[]) => string[] {
  const printed = new Map<string, { step: number; note: string | null }>();
  return (now) =>
    now.flatMap((progress) => {
      const { what, note = null } = progress;
      const step = Math.floor((shareOf(progress) ?? 0) / stepShare);
      const before = printed.get(what);
      printed.set(what, { step, note });
      const notes = note !== null && note !== before?.note ? [`${what}: ${note}`] : [];
      return before?.step === step ? notes : [formatPreparation(progress), ...notes];
    });
}

const shareOf = ({ bytes, totalBytes }: PreparationProgress): number | undefined =>
  bytes === undefined || totalBytes == null || totalBytes === 0 ? undefined : bytes / totalBytes;

/** Formats one file: name, share, rate, time left and source. */
export function formatPreparation(progress: PreparationProgress): string {
  const { what, bytes = 0, totalBytes, bytesPerSecond, etaSeconds, source } = progress;
  const share = shareOf(progress);
  const amount = share === undefined ? [] : [`${Math.floor(share * 100)} % of ${formatBytes(totalBytes ?? bytes)}`];
  const rate = bytesPerSecond === undefined || bytesPerSecond === 0 ? [] : [`${formatBytes(bytesPerSecond)}/s`];
  const eta = etaSeconds == null || etaSeconds < 1 ? [] : [`${formatSeconds(etaSeconds)} left`];
  const from = source == null ? [] : [`from ${source}`];
  return [what, ...amount, ...rate, ...eta, ...from].join('  ');
}

const formatSeconds = (seconds: number): string =>
  seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
