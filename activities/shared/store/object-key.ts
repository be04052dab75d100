import { CodedError } from '../errors/coded-error.ts';

/** A key becomes a path or a part of an address: it may not leave its folder, nor hide in it. */
export function assertKey(key: string): void {
  const isSafe = key.split('/').every((part) => /^[A-Za-z0-9_][A-Za-z0-9._@+=-]*$/.test(part));
  if (!isSafe) throw new CodedError('StoreRefused', `Expected a key such as runs/demo/plan.json, got ${key}.`);
}
