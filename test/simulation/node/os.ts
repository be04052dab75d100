/** Replaces `node:os` for the activities. */
import { currentProcess } from '../machine/process.ts';

export const hostname = (): string => currentProcess().host.name;
export const tmpdir = (): string => '/tmp';
