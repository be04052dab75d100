import type { Check } from '../../configs/schema/index.ts';
import { exitCodes } from './program.ts';

/** Prints one line per check and their number by verdict. An error sets the exit code. @param advice if there are errors. */
export function printChecks(checks: readonly Check[], advice: string): void {
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const check of checks) console.log(formatCheck(check, width));
  const errors = checks.filter(({ verdict }) => verdict === 'error').length;
  const warnings = checks.filter(({ verdict }) => verdict === 'warning').length;
  console.log(
    `\n${checks.length - errors - warnings} ok, ${count(warnings, 'warning')}, ${count(errors, 'error')}${errors > 0 ? `. ${advice}` : ''}`,
  );
  if (errors > 0) process.exitCode = exitCodes.failure;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function formatCheck({ verdict, name, message, remedy }: Check, width: number): string {
  const line = `${verdict.padEnd(7)}  ${name.padEnd(width)}  ${message}`;
  return remedy === null ? line : `${line}\n${' '.repeat(width + 11)}→ ${remedy}`;
}
