/** Fields that change nothing about the training itself. */
const ignored = ['fresh', 'force', 'note'];

/**
 * Lists the settings of two inputs that differ: `epochs 10 instead of 12`.
 * @param current the input in use. @param wanted the input that a user wants.
 */
export function listDifferences(current: object, wanted: object): string[] {
  const [before, now] = [flatten(current), flatten(wanted)];
  const paths = [...new Set([...before.keys(), ...now.keys()])].filter((path) => !ignored.includes(path));
  return paths
    .filter((path) => before.get(path) !== now.get(path))
    .map((path) => `${path} ${before.get(path) ?? 'unset'} instead of ${now.get(path) ?? 'unset'}`);
}

/** Longest text of a value; lists of files can be long. */
const longestValue = 80;

/** Returns all values that are not objects, by path. Lists count as one value. */
function flatten(value: object, parent = ''): Map<string, string> {
  const entries = Object.entries(value).flatMap(([name, field]: [string, unknown]): [string, string][] => {
    const path = parent === '' ? name : `${parent}.${name}`;
    if (field === undefined) return [];
    if (isPlainObject(field)) return [...flatten(field, path)];
    return [[path, formatValue(field)]];
  });
  return new Map(entries);
}

const isPlainObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function formatValue(value: unknown): string {
  if (typeof value === 'string') return value;
  const text = JSON.stringify(value);
  return text.length <= longestValue ? text : `${text.slice(0, longestValue - 1)}…`;
}
