import { workflowInfo } from '@temporalio/workflow';
import { compareId, retrainId } from '../../configs/names.ts';
import {
  inputRefusal,
  parseRetrainInput,
  parseRunInput,
  parseSweepInput,
  type Parsed,
} from '../../configs/parse-input.ts';
import type { RetrainInput, RunInput, SweepInput } from '../../configs/schema/index.ts';
import { codedFailure } from './coded-failure.ts';

/**
 * Parses the input of a run. Temporal would retry a ZodError indefinitely, as a failed workflow task, so the run fails
 * instead.
 * @param idOf returns the workflow id for a run name. Temporal runs one workflow per id, so a run folder has one trainer.
 */
export function readInput(rawInput: unknown, idOf: (runName: string) => string): RunInput {
  return accept(parseRunInput(rawInput), ({ name }) => requireId(idOf(name), name));
}

/** Parses the input of a sweep in the same way. */
export function readSweep(rawInput: unknown): SweepInput {
  return accept(parseSweepInput(rawInput), ({ name }) => requireId(compareId(name), name));
}

/** Parses the input of a retraining in the same way. */
export function readRetraining(rawInput: unknown): RetrainInput {
  return accept(parseRetrainInput(rawInput), ({ model }) => requireId(retrainId(model), model));
}

function accept<T>(parsed: Parsed<T>, requireItsId: (input: T) => void): T {
  if (!parsed.ok) throw codedFailure('InvalidInput', inputRefusal(parsed.problems));
  requireItsId(parsed.input);
  return parsed.input;
}

/** @throws ApplicationFailure InvalidInput. */
function requireId(expected: string, name: string): void {
  const { workflowId } = workflowInfo();
  if (workflowId !== expected)
    throw codedFailure(
      'InvalidInput',
      `Expected the workflow id of the run "${name}" to be ${expected}, got ${workflowId}.`,
    );
}
