import { resolve } from 'node:path';
import { readEnv } from '../../workers/env.ts';
import { chooseDevice } from './device.ts';
import type { StackOptions } from './start-stack.ts';

/** Folder of data and runs: EVERSWIN_HOME, or `.everswin` in the project. */
export const defaultHome = (): string => resolve(readEnv().EVERSWIN_HOME);

/** Options of the commands that start a stack. */
export interface StackFlags {
  home?: string | undefined;
  device?: 'cpu' | 'cuda' | undefined;
  s3?: boolean | undefined;
  metrics?: boolean | undefined;
}

/** Fills in the defaults. */
export const toStackOptions = ({
  home,
  device,
  s3 = false,
  metrics = false,
}: StackFlags): Omit<StackOptions, 'log'> => ({
  home: home === undefined ? defaultHome() : resolve(home),
  device: device ?? chooseDevice(),
  withObjectStore: s3,
  withMetrics: metrics,
});
