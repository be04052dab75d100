/** Replaces `node:os` for the activities. */
import { findCurrentProcess } from '../machine/process.ts';

/** Modules may read the name when they are loaded. All simulated workers run on one machine. */
export const hostname = (): string => findCurrentProcess()?.host.name ?? 'machine';
export const tmpdir = (): string => '/tmp';
