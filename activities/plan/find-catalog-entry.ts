import { CodedError } from '../shared/errors/coded-error.ts';

/** Returns the entry of the catalog. @throws CodedError NotInCatalog, which lists the ids. */
export function findCatalogEntry<T>(entries: Record<string, T>, id: string, kind: string): T {
  const entry = Object.hasOwn(entries, id) ? entries[id] : undefined;
  if (entry !== undefined) return entry;
  throw new CodedError(
    'NotInCatalog',
    `The catalog has no ${kind} "${id}". Available: ${Object.keys(entries).join(', ')}.`,
  );
}
