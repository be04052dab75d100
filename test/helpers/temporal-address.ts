import { inject } from 'vitest';

/** Returns the address of the Temporal server of this fork. */
export function temporalAddress(): string {
  const address = inject('temporalAddresses')[Number(process.env['VITEST_POOL_ID']) - 1];
  if (address === undefined) throw new Error(`vitest fork ${process.env['VITEST_POOL_ID']} has no Temporal server`);
  return address;
}
