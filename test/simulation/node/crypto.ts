/** Replaces `node:crypto` for the activities: random numbers come from the seed, hashes are real. */
import { currentProcess } from '../machine/process.ts';

export { createHash, type Hash } from 'node:crypto';
export const randomUUID = (): string => currentProcess().host.uuid();
