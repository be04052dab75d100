import { z } from 'zod';

/** Describes the values that a schema accepts: `a whole number from 1 to 1000`. */
export function formatExpected(schema: z.core.$ZodType): string {
  const { def } = withKind(schema)._zod;
  if (def.type === 'number') return formatNumber(limitsOf(schema));
  if (def.type === 'string') return formatSize('a string', 'character', limitsOf(schema));
  if (def.type === 'array') return formatSize('a list', 'entry', limitsOf(schema));
  if (def.type === 'boolean') return 'true or false';
  if (def.type === 'object') return formatObject(def.shape);
  if (def.type === 'record') return 'an object in braces';
  if (def.type === 'literal') return formatValues(def.values);
  if (def.type === 'enum') return formatValues(Object.values(def.entries));
  if (def.type === 'union') return joinWithOr([...new Set(def.options.map(formatExpected))]);
  if (def.type === 'nullable') return `${formatExpected(def.innerType)} or null`;
  if (def.type === 'pipe') return formatExpected(def.in);
  return 'innerType' in def ? formatExpected(def.innerType) : def.type;
}

/** Returns the values of an enum, a literal, or a union that contains some; an empty list for other schemas. */
export function listValues(schema: z.core.$ZodType): string[] {
  const { def } = withKind(schema)._zod;
  if (def.type === 'union') return def.options.flatMap(listValues);
  const values = def.type === 'enum' ? Object.values(def.entries) : def.type === 'literal' ? def.values : [];
  return values.filter((value) => typeof value === 'string');
}

/** Returns the schema with a type that tells the kinds apart by `def.type`. */
export const withKind = (schema: z.core.$ZodType) => schema as z.core.$ZodTypes; // the union of all schemas of zod

/** Limits of a number, a text or a list, as in JSON Schema. */
const limitsOf = (schema: z.core.$ZodType): z.core.JSONSchema.JSONSchema =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });

function formatNumber(limits: z.core.JSONSchema.JSONSchema): string {
  const { type, minimum, maximum, exclusiveMinimum, exclusiveMaximum } = limits;
  const least = minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const most = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum;
  const kind = type === 'integer' ? 'a whole number' : 'a number';
  if (least !== undefined && most !== undefined) return `${kind} from ${least} to ${most}`;
  const parts = [
    least === undefined ? [] : [`at least ${least}`],
    exclusiveMinimum === undefined ? [] : [`above ${exclusiveMinimum}`],
    exclusiveMaximum === undefined ? [] : [`below ${exclusiveMaximum}`],
    most === undefined ? [] : [`at most ${most}`],
  ].flat();
  return parts.length === 0 ? kind : `${kind} ${parts.join(' and ')}`;
}

/** Shows the first required field, or the first one, as an example. */
function formatObject(shape: z.core.$ZodShape): string {
  const fields = Object.entries(shape);
  const [first] = fields.find(([, schema]) => schema._zod.optin === undefined) ?? fields[0] ?? [];
  return first === undefined ? 'an object in braces' : `an object such as { "${first}": … }`;
}

function formatSize(kind: string, unit: string, limits: z.core.JSONSchema.JSONSchema): string {
  const { minItems, minLength = minItems ?? 0, maxItems, maxLength: most = maxItems } = limits;
  const count = (number: number) => `${number} ${number === 1 ? unit : unit === 'entry' ? 'entries' : `${unit}s`}`;
  if (most === undefined) return minLength === 0 ? kind : `${kind} of at least ${count(minLength)}`;
  return minLength === 0 ? `${kind} of at most ${count(most)}` : `${kind} of ${minLength} to ${count(most)}`;
}

const formatValues = (values: readonly unknown[]): string => {
  const texts = values.map((value) => JSON.stringify(value));
  return texts.length > 2 ? `one of ${texts.join(', ')}` : joinWithOr(texts);
};

/** Joins texts: `a, b or c`. */
export const joinWithOr = (texts: string[]): string =>
  texts.length < 2 ? texts.join('') : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1) ?? ''}`;
