/** Plain messages of all schemas: `expected a whole number from 1 to 1000, got 0`. */
import { z } from 'zod';
import { didYouMean } from './did-you-mean.ts';
import { formatExpected, joinWithOr, listValues, withKind } from './expected-values.ts';

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
  if (issue.code === 'invalid_union' && issue.discriminator !== undefined && schema !== undefined)
    return formatKind(issue.discriminator, schema, input);
  if (input === undefined) return formatMissing(schema);
  if (schema === undefined) return `this value is not valid, got ${formatGot(input)}`;
  const hint = findHint(input, schema);
  return `expected ${formatExpected(schema)}, got ${formatSize(issue) ?? formatGot(input)}${hint}`;
}

/** Formats the problem of a field that decides which of several objects an object is. */
function formatKind(field: string, schema: z.core.$ZodType, input: unknown): string {
  const { def } = withKind(schema)._zod;
  const options = def.type === 'union' ? def.options.map((option) => withKind(option)._zod.def) : [];
  const fields = options.flatMap((option) => (option.type === 'object' ? (option.shape[field] ?? []) : []));
  const value: unknown = typeof input === 'object' && input !== null ? Reflect.get(input, field) : input;
  const expected = joinWithOr(fields.map(formatExpected));
  if (value === undefined) return `is missing: expected ${expected}`;
  const hint = typeof value === 'string' ? didYouMean(value, fields.flatMap(listValues)) : '';
  return `expected ${expected}, got ${formatGot(value)}${hint}`;
}

function formatMissing(schema: z.core.$ZodType | undefined): string {
  const isChoice = schema !== undefined && ['literal', 'enum'].includes(schema._zod.def.type);
  return isChoice ? `is missing: expected ${formatExpected(schema)}` : 'is missing';
}

/** A wrong size is the problem of a list or a text, not its content. */
function formatSize(issue: RawIssue): string | undefined {
  if (issue.code !== 'too_small' && issue.code !== 'too_big') return undefined;
  const { input } = issue;
  if (Array.isArray(input) && input.length > 0) return `${input.length} ${input.length === 1 ? 'entry' : 'entries'}`;
  return typeof input === 'string' && input !== '' ? `${input.length} characters` : undefined;
}

/** Returns what to write instead, if that would be valid. */
function findHint(input: unknown, schema: z.core.$ZodType): string {
  const isValid = (value: unknown) => z.safeParse(schema, value).success;
  const list = typeof input === 'string' && /^[\d\s,]+$/.test(input) ? input.split(',').map(Number) : [input];
  if (!Array.isArray(input) && isValid(list)) return `: write ${JSON.stringify(list)}`;
  if (typeof input !== 'string') return '';
  const isNumber = input.trim() !== '' && isValid(Number(input));
  const isBoolean = /^(true|false)$/.test(input) && isValid(input === 'true');
  return isNumber || isBoolean ? ': remove the quotes' : didYouMean(input, listValues(schema));
}

/** Formats a value of an input as short text. */
export function formatGot(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value).replace(/\/\/[^/@\s]*@/, '//…@'); // a user name and password of an address
  return text.length <= 60 ? text : `${text.slice(0, 59)}…`;
}
