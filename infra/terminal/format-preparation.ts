import type { PreparationProgress } from '../../configs/schema/index.ts';
import { formatBytes } from '../../activities/shared/summary/format-bytes.ts';

/** A line each time that so much more of a file is there. */
const stepShare = 0.1;

/**
 * Says of each file that is fetched, checked or packed how far it is: first when it is seen, then every tenth of it, and
 * each reason for another try or another mirror.
 */
export function createPreparationFormatter(): (now: readonly PreparationProgress[]) => string[] {
  const said = new Map<string, { step: number; note: string | null }>();
  return (now) =>
    now.flatMap((progress) => {
      const { what, note = null } = progress;
      const step = Math.floor((shareOf(progress) ?? 0) / stepShare);
      const before = said.get(what);
      said.set(what, { step, note });
      const news = note !== null && note !== before?.note ? [`${what}: ${note}`] : [];
      return before?.step === step ? news : [formatPreparation(progress), ...news];
    });
}

const shareOf = ({ bytes, totalBytes }: PreparationProgress): number | undefined =>
  bytes === undefined || totalBytes == null || totalBytes === 0 ? undefined : bytes / totalBytes;

/** One line: which file, how much of it, how fast, from where. */
export function formatPreparation(progress: PreparationProgress): string {
  const { what, bytes = 0, totalBytes, bytesPerSecond, etaSeconds, source } = progress;
  const share = shareOf(progress);
  const much = share === undefined ? [] : [`${Math.floor(share * 100)} % of ${formatBytes(totalBytes ?? bytes)}`];
  const rate = bytesPerSecond === undefined || bytesPerSecond === 0 ? [] : [`${formatBytes(bytesPerSecond)}/s`];
  const eta = etaSeconds == null || etaSeconds < 1 ? [] : [`${formatSeconds(etaSeconds)} left`];
  const from = source == null ? [] : [`from ${source}`];
  return [what, ...much, ...rate, ...eta, ...from].join('  ');
}

const formatSeconds = (seconds: number): string =>
  seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
