/** Changes a message as another build, a cut file or a mistyped command of a person would. */
import type { Malformation } from './scenario.ts';

/** @param field number that selects the field to change. */
export function deform(value: unknown, how: Malformation, field: number): unknown {
  if (how === 'missing') return null;
  if (how === 'torn') {
    const text = JSON.stringify(value);
    return text.slice(0, text.length / 2);
  }
  if (Array.isArray(value) && value.length > 0) {
    const place = field % value.length;
    return value.with(place, deform(value[place], how, field));
  }
  if (typeof value !== 'object' || value === null) return retype(value);
  const names = Object.keys(value);
  const changed = names[field % names.length];
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, content]) => {
      if (name !== changed) return [[name, content]];
      return how === 'without a field' ? [] : [[name, retype(content)]];
    }),
  );
}

const retype = (value: unknown): unknown => (typeof value === 'string' ? { text: value } : String(value));
