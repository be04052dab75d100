import { CodedError } from '../errors/coded-error.ts';

/** Rejects keys that would leave their folder or be hidden in it, since keys become paths and URLs. */
export function assertKey(key: string): void {
  const isSafe = key.split('/').every((part) => /^[A-Za-z0-9_][A-Za-z0-9._@+=-]*$/.test(part));
  if (!isSafe) throw new CodedError('StoreRefused', `Expected a store key such as runs/demo/plan.json, got ${key}.`);
}
