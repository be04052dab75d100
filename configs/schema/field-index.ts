import type { z } from 'zod';
import { withKind } from './expected-values.ts';

/** Field of an input, with the schema of its value. */
export interface Field {
  /** Path such as `recovery.diverged.tries`, `notify[].to` or `catalog.weights.<id>.title`. */
  readonly path: string;
  readonly name: string;
  readonly schema: z.core.$ZodType;
  readonly isRequired: boolean;
}

/** Lists the fields of an object schema and of everything in it, in the order of the file. */
export function listFields(schema: z.core.$ZodType, parent = ''): Field[] {
  return shapesOf(schema).flatMap(({ shape, suffix }) =>
    Object.entries(shape).flatMap(([name, value]) => {
      const path = `${parent}${suffix}${parent === '' && suffix === '' ? '' : '.'}${name}`;
      return [{ path, name, schema: value, isRequired: value._zod.optin === undefined }, ...listFields(value, path)];
    }),
  );
}

/** Returns the objects that a value may be or contain: those of lists, of records and of all kinds of a union. */
function shapesOf(schema: z.core.$ZodType): { shape: z.core.$ZodShape; suffix: string }[] {
  const { def } = withKind(schema)._zod;
  const nested = (one: z.core.$ZodType, prefix: string) =>
    shapesOf(one).map(({ shape, suffix }) => ({ shape, suffix: `${prefix}${suffix}` }));
  if (def.type === 'object') return [{ shape: def.shape, suffix: '' }];
  if (def.type === 'array') return nested(def.element, '[]');
  if (def.type === 'record') return nested(def.valueType, '.<id>');
  if (def.type === 'union') return def.options.flatMap((one) => nested(one, ''));
  if (def.type === 'pipe') return nested(def.in, '');
  return 'innerType' in def ? nested(def.innerType, '') : [];
}
