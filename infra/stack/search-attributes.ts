import type { Connection } from '@temporalio/client';
import { namespace, searchAttributes } from '../../configs/names.ts';

/** IndexedValueType of Temporal's API. */
const valueTypes = { Keyword: 2, Int: 3, Double: 4 } as const;

/** Adds what the server does not know yet: its database may be older than an attribute, and a run that sets an unknown one stands still. */
export async function ensureSearchAttributes({ operatorService }: Connection): Promise<void> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = Object.entries(searchAttributes).filter(([name]) => !(name in customAttributes));
  if (missing.length === 0) return;
  await operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, valueTypes[type]])),
  });
}
