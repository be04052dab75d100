import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { showProgress } from './progress.mjs';

// Only one setup at a time may run in a folder. The lock file names its holder and the tool that the holder started:
// a killed holder leaves that tool running, and two tools must not write at the same time.

const pollMs = 200;
const noProcess = { pid: 0, started: 'never' };

/** Runs `work` while holding the lock. `work` reports each tool that it starts with `noteTool`. */
export async function withLock(file, signal, work) {
  await acquire(file, signal);
  try {
    return await work({ noteTool: (pid) => replace(file, { holder: identify(process.pid), tool: identify(pid) }) });
  } finally {
    rmSync(file, { force: true });
  }
}

async function acquire(file, signal) {
  let waiting;
  try {
    while (!tryToCreate(file, { holder: identify(process.pid) })) {
      const owner = read(file);
      if (owner && !isAlive(owner.holder)) await removeStale(file);
      else if (owner) {
        waiting ??= showProgress(`Waiting for another setup in this folder (process ${owner.holder.pid})`);
        await sleep(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
    waiting?.done();
  } catch (error) {
    waiting?.stop();
    throw error;
  }
}

/** Creates the lock atomically: a hard link appears with its complete content, or fails because the file exists. */
function tryToCreate(file, owner) {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(owner));
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

async function removeStale(file) {
  const stale = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, stale);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  const owner = read(stale);
  // Another process was faster and already holds a new lock: restore it.
  if (owner && isAlive(owner.holder)) return renameSync(stale, file);
  if (owner?.tool && isAlive(owner.tool)) await killGroup(owner.tool);
  rmSync(stale);
}

async function killGroup(leader) {
  process.kill(-leader.pid, 'SIGKILL');
  while (isAlive(leader)) await sleep(10);
}

function replace(file, owner) {
  writeFileSync(`${file}.new`, JSON.stringify(owner));
  renameSync(`${file}.new`, file);
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    // A power failure can leave the file empty.
    if (error instanceof SyntaxError) return { holder: noProcess };
    throw error;
  }
}

/** Identifies a process by pid and start time, because pids are reused. */
function identify(pid) {
  return { pid, started: startTime(pid) };
}

function isAlive({ pid, started }) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === 'ESRCH') return false;
  }
  return startTime(pid) === started;
}

/** Returns clock ticks since boot; 'ended' for a zombie, 'unknown' without /proc. */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may contain spaces. The state (field 3) follows it; the start time is field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'ended' : fields[19];
  } catch {
    return 'unknown';
  }
}
