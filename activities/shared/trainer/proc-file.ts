import { readFile } from 'node:fs/promises';
import { systemErrorCode } from '../errors/coded-error.ts';

/** Errors for a process that has ended. */
const endedCodes = ['ENOENT', 'ESRCH'];
/** Errors for the environment of another user's process. */
const foreignCodes = ['EACCES', 'EPERM'];

/**
 * Reads a file of /proc/<pid>; empty if the process has ended, and so is the environment of another user's process. Other
 * errors, such as EMFILE, do not mean that the process has ended.
 */
export async function readProcFile(pid: number, name: 'stat' | 'environ' | 'cmdline'): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    const absent = name === 'environ' ? [...endedCodes, ...foreignCodes] : endedCodes;
    if (absent.includes(systemErrorCode(error) ?? '')) return '';
    throw error;
  }
}
