import { spawn } from 'node:child_process';

const forwardedSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGWINCH'];

// Ctrl-C arrives here twice, from the terminal and once more from npm, within milliseconds.
const sameSignalMs = 500;

/** Runs a TypeScript program and ends as it ends: same exit code, or same signal. */
export async function runProgram(root, program, args) {
  // A process group of its own: each signal reaches the program through us, and so exactly once.
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...args], {
    cwd: root,
    stdio: 'inherit',
    detached: true,
  });
  const stopForwarding = forwardSignals(child);
  const { code, signal } = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  stopForwarding();
  if (signal) endBySignal(signal);
  else process.exitCode = code;
}

/** Ends this process by the signal that ended the work, so that npm and the shell see it too. */
export function endBySignal(signal) {
  process.kill(process.pid, signal);
}

function forwardSignals(child) {
  const lastMs = new Map();
  const forward = (signal) => {
    const nowMs = performance.now();
    const isRepeat = nowMs - (lastMs.get(signal) ?? -Infinity) < sameSignalMs;
    lastMs.set(signal, nowMs);
    if (!isRepeat || signal === 'SIGWINCH') child.kill(signal);
  };
  for (const signal of forwardedSignals) process.on(signal, forward);
  return () => forwardedSignals.forEach((signal) => process.off(signal, forward));
}
