import { spawn } from 'node:child_process';

const forwardedSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGWINCH'];

// Ctrl-C arrives twice within milliseconds: from the terminal and from npm.
const sameSignalMs = 500;

/** Runs a program with `node` in the current folder, and exits with its exit code or signal. */
export async function runProgram(node, program, args, env) {
  // In its own process group: signals reach the program only through us, and therefore once.
  // The gRPC client sends an IP address as TLS server name, which Node deprecates; the user cannot change it.
  const child = spawn(node, ['--disable-warning=DEP0123', program, ...args], { env, stdio: 'inherit', detached: true });
  const stopForwarding = forwardSignals(child);
  const { code, signal } = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  stopForwarding();
  if (signal) exitBySignal(signal);
  else process.exitCode = code;
}

/** Kills this process with the signal that ended the program, so that npm and the shell see it. */
export function exitBySignal(signal) {
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
