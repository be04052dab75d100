import type { ConnectionLike } from '@temporalio/client';
import { namespace, searchAttributes } from '../../configs/names.ts';

/** IndexedValueType of Temporal's API. */
const valueTypes = { Keyword: 2, Int: 3, Double: 4 } as const;

/**
 * Registers the search attributes that the server lacks. Its database may be older than an attribute, and a workflow
 * task that sets an unknown one fails until the attribute exists.
 */
export async function ensureSearchAttributes({
  operatorService,
}: Pick<ConnectionLike, 'operatorService'>): Promise<void> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = Object.entries(searchAttributes).filter(([name]) => !(name in customAttributes));
  if (missing.length === 0) return;
  await operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, valueTypes[type]])),
  });
}
