import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { addressPattern, expectedAddress } from '../../../configs/names.ts';

export const addressOption = () =>
  new Option(
    '--address <host:port>',
    'Temporal server (default: TEMPORAL_ADDRESS, else the stack of this folder)',
  ).argParser(parseAddress);

export const deviceOption = () =>
  new Option('--device <device>', 'default: cuda if an NVIDIA driver is installed').choices(['cpu', 'cuda'] as const);

export const noWaitOption = () => new Option('--no-wait', 'exit after the start instead of following the progress');

/** Formats examples as the last part of a command's help. */
export const examples = (...lines: string[]): string =>
  `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;

function parseAddress(text: string): string {
  if (addressPattern.test(text)) return text;
  throw new InvalidArgumentError(`${expectedAddress}, such as 127.0.0.1:7233.`);
}

/** Parses a whole number, 1 or more. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(count) && count > 0) return count;
  throw new InvalidArgumentError('Expected a whole number, 1 or more.');
}

/** Parses a whole number, 0 or more. */
export function parseSeed(text: string): number {
  return text === '0' ? 0 : parseCount(text);
}

/** Parses a number, 0 or more. */
export function parseNonNegative(text: string): number {
  const number = Number(text);
  if (text.trim() !== '' && Number.isFinite(number) && number >= 0) return number;
  throw new InvalidArgumentError('Expected a number, 0 or more.');
}

/** Parses WIDTHxHEIGHT of an exported graph: multiples of 32, because MMDetection pads to them. */
export function parseInputSize(text: string): string {
  const [, width = 0, height = 0] = (/^(\d+)[x×*](\d+)$/i.exec(text) ?? []).map(Number);
  const isSide = (side: number) => side >= 32 && side <= 4096 && side % 32 === 0;
  if (isSide(width) && isSide(height)) return `${width}x${height}`;
  throw new InvalidArgumentError('Expected WIDTHxHEIGHT in multiples of 32 up to 4096, such as 1344x800.');
}

/** Parses a score, 0 to 1. */
export function parseScore(text: string): number {
  const score = Number(text);
  if (text.trim() !== '' && score >= 0 && score <= 1) return score;
  throw new InvalidArgumentError('Expected a score from 0 to 1, such as 0.3.');
}

/** Parses a range of steps, such as 101..150. */
export function parseSteps(text: string): { first: number; last: number } {
  const [, first = 0, last = 0] = (/^(\d+)\.\.(\d+)$/.exec(text) ?? []).map(Number);
  if (first >= 1 && last >= first) return { first, last };
  throw new InvalidArgumentError('Expected FIRST..LAST, such as 101..150.');
}

/** Parses an interval of a schedule. */
export function parseInterval(text: string): string {
  if (/^[1-9]\d{0,3}(?:s|m|h|d|w)$/.test(text)) return text;
  throw new InvalidArgumentError('Expected a number and a unit (s, m, h, d or w), such as 24h or 30m.');
}

/** Parses the form of a cron expression. The server checks its values. */
export function parseCron(text: string): string {
  const fields = text.trim().split(/\s+/);
  if (fields.length === 5 && fields.every((field) => /^[\w*/,?-]+$/.test(field))) return text;
  throw new InvalidArgumentError("Expected five fields in quotes, such as '0 3 * * 1' for Mondays at 3:00.");
}

/** Parses a time zone. */
export function parseTimeZone(text: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    throw new InvalidArgumentError('Expected an IANA time zone, such as Europe/Berlin.');
  }
}

/** Parses the address of a web page. */
export function parseUrl(text: string): string {
  if (URL.canParse(text) && /^https?:/.test(text)) return text;
  throw new InvalidArgumentError('Expected an address, such as https://temporal.lab.');
}
