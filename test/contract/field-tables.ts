/** Field tables of docs/reference/trainer-contract.md, between `<!-- fields: NAME -->` and `<!-- end -->`. */
import { contract, JsonSchema, toJsonSchema } from './contract.ts';

const marker = /(<!-- fields: ([a-z-]+) -->\n)[\s\S]*?(<!-- end -->)/g;

/** Returns the page with the tables of all markers filled in. Throws when a marker names no schema. */
export const fillFieldTables = (page: string): string =>
  page.replace(marker, (_, begin: string, name: string, end: string) => {
    const part = contract[name];
    if (part === undefined) throw new Error(`docs/reference/trainer-contract.md: no schema is named ${name}`);
    return `${begin}\n${formatTables(JsonSchema.parse(toJsonSchema(part)))}\n\n${end}`;
  });

/** Returns the table of an object, or one table for each kind of a union. */
function formatTables(schema: JsonSchema): string {
  if (schema.oneOf === undefined) return formatTable(schema, []);
  const tables = schema.oneOf.map((kind) => {
    const properties = kind.properties ?? {};
    const [tag, value] = Object.entries(properties).find(([name, one]) => name !== 'v' && 'const' in one) ?? [];
    return `\`${tag ?? ''}\`: \`${String(value?.const)}\`. ${kind.description ?? ''}\n\n${formatTable(kind, commonFields(schema.oneOf ?? []))}`;
  });
  return tables.join('\n\n');
}

/** Returns the names of the fields that every kind shares and that identify it; the text above the tables explains them. */
const commonFields = (kinds: JsonSchema[]): string[] =>
  ['v', 'type', 't', 'attempt', 'ok'].filter((name) => kinds.every(({ properties = {} }) => name in properties));

function formatTable({ properties = {}, required = [] }: JsonSchema, skip: string[]): string {
  const rows = Object.entries(properties)
    .filter(([name]) => !skip.includes(name))
    .flatMap(([name, schema]) => formatRows(name, schema, required.includes(name)));
  return ['| field | type | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** Returns the row of a field, followed by those of an object's fields when they have descriptions. */
function formatRows(name: string, schema: JsonSchema, isRequired: boolean): string[] {
  const formatRow = (type: string) =>
    `| \`${name}\` | ${type}${isRequired ? '' : ', optional'} | ${schema.description ?? ''} |`;
  const { properties = {}, required = [] } = withoutNull(schema);
  const fields = Object.entries(properties);
  if (fields.every(([, { description }]) => description === undefined)) return [formatRow(formatType(schema))];
  const nested = fields.flatMap(([inner, one]) => formatRows(`${name}.${inner}`, one, required.includes(inner)));
  return [formatRow(formatType(schema).replace(/\{.*\}/, 'object')), ...nested];
}

const withoutNull = (schema: JsonSchema): JsonSchema => schema.anyOf?.find(({ type }) => type !== 'null') ?? schema;

function formatType(schema: JsonSchema): string {
  const { type, enum: values, pattern, anyOf, items } = schema;
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(', ');
  if (anyOf !== undefined) return anyOf.map(formatType).join(' or ');
  if (Array.isArray(type)) return type.join(' or ');
  if (pattern === '^[0-9a-f]{64}$') return 'sha256';
  if (type === 'array') return typeof items === 'object' ? `list of ${formatType(items)}` : 'list';
  if (schema.properties !== undefined) return `{ ${Object.keys(schema.properties).join(', ')} }`;
  return type ?? 'any';
}
