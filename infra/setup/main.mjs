import path from 'node:path';
import { Interrupted, SetupFailure } from './failure.mjs';
import { programEnvironment } from './program-environment.mjs';
import { exitBySignal, runProgram } from './run-program.mjs';
import { setUp } from './set-up.mjs';

const root = path.resolve(import.meta.dirname, '../..');

export async function main([program, ...args]) {
  if (!program) return fail('Name the program to run, for example: node infra/bootstrap.mjs infra/cli/demo.ts');
  let node;
  try {
    node = await setUp(root);
  } catch (error) {
    if (!(error instanceof SetupFailure || error instanceof Interrupted)) throw error;
    return fail(error.message, error.signal);
  }
  await runProgram(node, path.resolve(root, program), args, programEnvironment(root, node));
}

function fail(message, signal) {
  console.error(message);
  process.exitCode = 1;
  if (signal) exitBySignal(signal);
}
