import { spawn } from 'node:child_process';
import { fstatSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { ToolFailure } from './failure.mjs';
import { toolEnvironment } from './tool-environment.mjs';

const tailBytes = 16_384;
const graceMs = 2_000;

/** Returns a function that runs npm, pip or uv. Output goes to the log; an abort of `signal` stops the tool. */
export function createToolRunner({ root, logFile, lock, signal }) {
  return async (command, args, variables) => {
    signal.throwIfAborted();
    writeSync(logFile, `$ ${[command, ...args].join(' ')}\n`);
    const startBytes = fstatSync(logFile).size;
    // In its own process group, so that we, or a later setup that finds our lock stale, can stop all of it.
    const child = spawn(command, args, {
      cwd: root,
      env: { ...toolEnvironment(), ...variables },
      stdio: ['ignore', logFile, logFile],
      detached: true,
    });
    let force;
    const stop = () => {
      signalGroup(child.pid, 'SIGTERM');
      force = setTimeout(signalGroup, graceMs, child.pid, 'SIGKILL');
    };
    signal.addEventListener('abort', stop);
    try {
      if (child.pid) lock.noteTool(child.pid);
      const exitCode = await waitForExit(child);
      signal.throwIfAborted();
      if (exitCode !== 0) throw new ToolFailure(path.basename(command), readTail(logFile, startBytes));
    } catch (error) {
      if (error.syscall?.startsWith('spawn')) throw new ToolFailure(path.basename(command), error.message, error);
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      clearTimeout(force);
    }
  };
}

function waitForExit(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code));
  });
}

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function readTail(logFile, startBytes) {
  const { size } = fstatSync(logFile);
  const from = Math.max(startBytes, size - tailBytes);
  const buffer = Buffer.alloc(size - from);
  readSync(logFile, buffer, 0, buffer.length, from);
  return buffer.toString('utf8');
}
