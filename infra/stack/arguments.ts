import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readEnv } from '../../workers/env.ts';
import { chooseDevice } from './device.ts';
import type { StackOptions } from './start-stack.ts';

/** Folder of data, runs and tools: EVERSWIN_HOME, or `.everswin` in the project. */
export const defaultHome = (): string => resolve(readEnv().EVERSWIN_HOME);

/** Parses `--s3`, `--home DIR` and `--device cpu|cuda`. */
export function parseStackArguments(argv: string[]): Omit<StackOptions, 'log'> {
  const { values } = parseArgs({
    args: argv,
    options: { home: { type: 'string' }, device: { type: 'string' }, s3: { type: 'boolean', default: false } },
  });
  const home = values.home === undefined ? defaultHome() : resolve(values.home);
  return { home, device: chooseDevice(values.device), withObjectStore: values.s3 };
}
