/** JSON Schemas of the inputs, configs/schema/<kind>.schema.json, and the field tables of docs/reference/run-file.md. */
import { z } from 'zod';
import { formatExpected, withKind } from '../../configs/schema/expected-values.ts';
import { listFields } from '../../configs/schema/field-index.ts';
import { RetrainInput, RunInput, SweepInput } from '../../configs/schema/index.ts';

/** Inputs that users write, by the name of the schema file. */
export const inputs: Record<string, { schema: z.ZodType; title: string }> = {
  run: { schema: RunInput, title: 'Run input: everswin start FILE' },
  sweep: { schema: SweepInput, title: 'Sweep input: everswin sweep FILE' },
  retrain: { schema: RetrainInput, title: 'Retraining input: everswin retrain FILE' },
};

/** Returns the JSON Schema of an input, in the draft that editors support best. Fields with a default are optional. */
export function toInputSchema({ schema, title }: { schema: z.ZodType; title: string }): object {
  const { $schema, ...rest } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
  return { $schema, title, ...rest };
}

const marker = /(<!-- fields: ([a-z-]+) -->\n)[\s\S]*?(<!-- end -->)/g;

/** Returns the page with the tables of all markers filled in. Throws when a marker names no input. */
export const fillInputTables = (page: string): string =>
  page.replace(marker, (_, begin: string, name: string, end: string) => {
    const input = inputs[name];
    if (input === undefined) throw new Error(`docs/reference/run-file.md: no input is named ${name}`);
    return `${begin}\n${formatTable(input.schema, name)}\n\n${end}`;
  });

/** Fields that contain a run input; the table of run inputs describes what is in them. */
const runParts: Record<string, string[]> = { run: [], sweep: ['base', 'variants[].change'], retrain: ['run'] };

function formatTable(schema: z.ZodType, name: string): string {
  const fields = listFields(schema).filter(
    ({ path }) => !(runParts[name] ?? []).some((part) => path.startsWith(`${part}.`)),
  );
  const rows = fields.map(({ path, schema: value, isRequired }) => {
    const { description = '', unit = '' } = readMeta(value);
    const accepted = `${formatType(value)}${unit === '' ? '' : ` (${unit})`}`;
    const otherwise = isRequired ? 'required' : formatDefault(value);
    return `| \`${path}\` | ${[accepted, otherwise].filter((part) => part !== '').join('; ')} | ${description} |`;
  });
  return ['| field | value | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** Returns the words of an error message in the short form of a table. */
function formatType(schema: z.core.$ZodType): string {
  const { def } = withKind(schema)._zod;
  if ('innerType' in def && def.type !== 'nullable') return formatType(def.innerType);
  const words = formatExpected(schema)
    .replace(/\ban? (?=list|string|number|whole|object)| in braces| such as \{ "\w+": … \}/g, '')
    .replace(/"/g, '`');
  return def.type === 'array' ? `${words}: ${formatType(def.element)}` : words;
}

const Meta = z.looseObject({ description: z.string().optional(), unit: z.string().optional() });

/** Returns the description of a schema, or of the one that it wraps. */
export function readMeta(schema: z.core.$ZodType): z.infer<typeof Meta> {
  const meta = Meta.parse(z.globalRegistry.get(schema) ?? {});
  const { def } = withKind(schema)._zod;
  return meta.description === undefined && 'innerType' in def ? readMeta(def.innerType) : meta;
}

/** Returns `default VALUE`, or nothing without one. */
function formatDefault(schema: z.core.$ZodType): string {
  const { def } = withKind(schema)._zod;
  if (def.type !== 'default') return '';
  return `default \`${JSON.stringify(def.defaultValue)}\``;
}
