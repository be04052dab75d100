import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { requireSpace } from './disk-space.mjs';
import { toSetupFailure, Interrupted } from './failure.mjs';
import { withLock } from './lock.mjs';
import { chooseNode } from './node-runtime.mjs';
import { npmPackages } from './npm-packages.mjs';
import { showProgress } from './progress.mjs';
import { isStamped, removeStamp, writeStamp } from './stamp.mjs';
import { createToolRunner } from './tool-runner.mjs';
import { trainerEnvironment } from './trainer-environment.mjs';
import { uvProgram } from './uv-program.mjs';

/** Installs what is missing under `root`, and returns the path of Node. Prints nothing if everything is installed. */
export async function setUp(root) {
  const { node, steps: nodeSteps } = chooseNode(root);
  const steps = [...nodeSteps, npmPackages(root), uvProgram(root), trainerEnvironment(root)];
  const missing = () => steps.filter((step) => !isStamped(step));
  if (missing().length === 0) return node;

  const interruption = listenForSignals();
  try {
    mkdirSync(path.join(root, '.everswin/logs'), { recursive: true });
    await withLock(path.join(root, '.everswin/setup.lock'), interruption.signal, (lock) =>
      // The previous holder of the lock may have installed everything.
      install(root, missing(), lock, interruption.signal),
    );
    return node;
  } catch (error) {
    throw toSetupFailure('the start', error);
  } finally {
    interruption.stopListening();
  }
}

async function install(root, steps, lock, signal) {
  if (steps.length === 0) return;
  checkRequirements(root, steps);
  const logFile = openSync(path.join(root, '.everswin/logs/setup.log'), 'w+');
  const run = createToolRunner({ root, logFile, lock, signal });
  try {
    for (const [index, step] of steps.entries()) {
      await installStep(step, `[${index + 1}/${steps.length}]`, run);
    }
  } finally {
    closeSync(logFile);
  }
}

/** Fails before the first download if the machine lacks something. */
function checkRequirements(root, steps) {
  for (const step of steps) step.checkMachine?.();
  requireSpace(
    root,
    steps.reduce((sum, step) => sum + step.neededBytes(), 0),
  );
}

async function installStep(step, position, run) {
  const progress = showProgress(`${position} Installing ${step.title}`);
  try {
    removeStamp(step);
    await step.install(run);
    writeStamp(step);
    progress.done();
  } catch (error) {
    progress.stop();
    throw toSetupFailure(step.name, error);
  }
}

function listenForSignals() {
  const controller = new AbortController();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const interrupt = (signal) => controller.abort(new Interrupted(signal));
  for (const signal of signals) process.on(signal, interrupt);
  return {
    signal: controller.signal,
    stopListening: () => signals.forEach((signal) => process.off(signal, interrupt)),
  };
}
