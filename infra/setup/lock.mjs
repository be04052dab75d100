import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { showProgress } from './progress.mjs';

// One set-up at a time in one folder. The lock is a file that names its holder, and the tool the holder started:
// a holder that was killed leaves that tool running, and it must not write beside ours.

const pollMs = 200;
const nobody = { pid: 0, started: 'never' };

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
      if (owner && !isAlive(owner.holder)) await takeAway(file);
      else if (owner) {
        waiting ??= showProgress(`Waiting for another set-up in this folder (process ${owner.holder.pid})`);
        await sleep(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
    waiting?.done();
  } catch (error) {
    waiting?.stop();
    throw error;
  }
}

/** A hard link appears with its whole content, or not at all because there is one already. */
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

async function takeAway(file) {
  const stale = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, stale);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  const owner = read(stale);
  // Another waiter was quicker, and this lock is already its own: give it back.
  if (owner && isAlive(owner.holder)) return renameSync(stale, file);
  if (owner?.tool && isAlive(owner.tool)) await endGroup(owner.tool);
  rmSync(stale);
}

async function endGroup(leader) {
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
    // A power cut can leave the file empty.
    if (error instanceof SyntaxError) return { holder: nobody };
    throw error;
  }
}

/** A process id returns to use after a while; together with the start time it does not. */
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

/** In clock ticks since the machine started; 'ended' for one not yet buried, 'unknown' where there is no /proc. */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may itself hold spaces. After it: the state, field 3, ... the start time, field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'ended' : fields[19];
  } catch {
    return 'unknown';
  }
}
