import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export const defaultHome = resolve(`${import.meta.dirname}/../../.everswin`);

/** `--home DIR` (default .everswin in the project) and `--device cpu|cuda` (default: cuda where there is an NVIDIA driver). */
export function resolveStackArguments(argv: string[]): { home: string; device: 'cpu' | 'cuda' } {
  const { values } = parseArgs({ args: argv, options: { home: { type: 'string' }, device: { type: 'string' } } });
  const device = values.device ?? (existsSync('/proc/driver/nvidia/version') ? 'cuda' : 'cpu');
  if (device !== 'cpu' && device !== 'cuda') throw new Error(`expected --device to be cpu or cuda, got ${device}`);
  return { home: resolve(values.home ?? defaultHome), device };
}
