/** Formats counts and times. All times are in seconds. */
const count = new Intl.NumberFormat('en-US');

/** Formats a count as `263,844`; a dash without one. */
export const formatCount = (value: number | null): string => (value === null ? '–' : count.format(value));

/** Formats a count with its noun: `1 epoch`, `36 epochs`. */
export const formatPlural = (value: number, noun: string): string =>
  `${formatCount(value)} ${noun}${value === 1 ? '' : 's'}`;

/** Formats a duration in its two largest units: `3 d 11 h`, `4 min 05 s`, `9.3 s`. */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const { days, hours, minutes, rest } = splitSeconds(seconds);
  if (days > 0) return `${days} d ${pad(hours)} h`;
  if (hours > 0) return `${hours} h ${pad(minutes)} min`;
  return minutes > 0 ? `${minutes} min ${pad(rest)} s` : `${rest} s`;
}

/** Formats how long ago something was, in one unit: `12 s ago`, `5 min ago`, `3 h ago`, `4 d ago`. */
export function formatAge(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
  ] as const;
  const [unit, length] = units.find(([, atLeast]) => seconds >= 2 * atLeast) ?? ['s', 1];
  return `${Math.max(0, Math.floor(seconds / length))} ${unit} ago`;
}

/** Formats the time since a run began: `0:00:00`, `1 d 04:12:33`. */
export function formatElapsed(seconds: number): string {
  const { days, hours, minutes, rest } = splitSeconds(Math.max(0, seconds));
  const clock = `${days > 0 ? pad(hours) : hours}:${pad(minutes)}:${pad(rest)}`;
  return days > 0 ? `${days} d ${clock}` : clock;
}

/** Formats a point in time: `2026-08-14 09:31 UTC`. */
export const formatInstant = (unixSeconds: number): string =>
  `${new Date(unixSeconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

const pad = (value: number): string => String(value).padStart(2, '0');

function splitSeconds(seconds: number) {
  const total = Math.round(seconds);
  return {
    days: Math.floor(total / 86_400),
    hours: Math.floor(total / 3600) % 24,
    minutes: Math.floor(total / 60) % 60,
    rest: total % 60,
  };
}
