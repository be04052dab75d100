/** Plain messages of all schemas: `expected a whole number from 1 to 1000, got 0`. */
import { z } from 'zod';
import { didYouMean } from './did-you-mean.ts';
import { formatExpected, listValues } from './expected-values.ts';

z.config({ customError: formatIssue });

type RawIssue = Parameters<z.core.$ZodErrorMap>[0];

/** Returns the message of a problem, or undefined where a rule brings its own. */
function formatIssue(issue: RawIssue): string | undefined {
  const { input } = issue;
  if (issue.code === 'unrecognized_keys') return `unknown field ${issue.keys.map((key) => `\`${key}\``).join(', ')}`;
  if (issue.code === 'invalid_key') return issue.issues.map(({ message }) => message).join('; ');
  if (issue.code === 'not_multiple_of') return `expected a multiple of ${issue.divisor}, got ${formatGot(input)}`;
  if (issue.code === 'invalid_format') return `expected text in the form ${issue.pattern ?? issue.format}`;
  if (issue.code === 'custom' || issue.code === 'invalid_element') return undefined;
  const schema = issue.schema instanceof z.core.$ZodType ? issue.schema : undefined;
  if (input === undefined) return formatMissing(schema);
  if (schema === undefined) return `this value is not valid, got ${formatGot(input)}`;
  const hint = typeof input === 'string' ? findHint(input, schema) : '';
  return `expected ${formatExpected(schema)}, got ${formatSize(issue) ?? formatGot(input)}${hint}`;
}

function formatMissing(schema: z.core.$ZodType | undefined): string {
  const isChoice = schema !== undefined && ['literal', 'enum'].includes(schema._zod.def.type);
  return isChoice ? `is missing: expected ${formatExpected(schema)}` : 'is missing';
}

/** A wrong size is the problem of a list or a text, not its content. */
function formatSize(issue: RawIssue): string | undefined {
  if (issue.code !== 'too_small' && issue.code !== 'too_big') return undefined;
  if (Array.isArray(issue.input)) return String(issue.input.length);
  return typeof issue.input === 'string' ? `${issue.input.length}` : undefined;
}

function findHint(text: string, schema: z.core.$ZodType): string {
  const expected = formatExpected(schema);
  const isOther = /number/.test(expected)
    ? text.trim() !== '' && Number.isFinite(Number(text))
    : expected === 'true or false' && /^(true|false)$/.test(text);
  return isOther ? ': remove the quotes' : didYouMean(text, listValues(schema));
}

/** Formats a value of an input as short text. */
export function formatGot(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value).replace(/\/\/[^/@\s]*@/, '//…@'); // a user name and password of an address
  return text.length <= 60 ? text : `${text.slice(0, 59)}…`;
}
