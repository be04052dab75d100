import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { chooseDevice, nvidiaDriverFile } from './device.ts';
import type { StackOptions } from './start-stack.ts';

export const defaultHome = resolve(`${import.meta.dirname}/../../.everswin`);

/** `--s3`, `--home DIR` (default .everswin in the project) and `--device cpu|cuda` (default: cuda where there is an NVIDIA driver). */
export function parseStackArguments(argv: string[]): Omit<StackOptions, 'log'> {
  const { values } = parseArgs({
    args: argv,
    options: { home: { type: 'string' }, device: { type: 'string' }, s3: { type: 'boolean', default: false } },
  });
  const device = chooseDevice(values.device, existsSync(nvidiaDriverFile));
  return { home: resolve(values.home ?? defaultHome), device, withObjectStore: values.s3 };
}
