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
 * A ZodError thrown here would fail the workflow task, which Temporal retries indefinitely, so it becomes a failure of the run.
 * @param idOf the workflow id that belongs to a run's name: Temporal lets one workflow of an id run at a time, so one
 * trainer works in a run's folder.
 */
export function readInput(rawInput: unknown, idOf: (runName: string) => string): RunInput {
  return accept(parseRunInput(rawInput), ({ name }) => requireId(idOf(name), name));
}

/** The same for a sweep. */
export function readSweep(rawInput: unknown): SweepInput {
  return accept(parseSweepInput(rawInput), ({ name }) => requireId(compareId(name), name));
}

/** The same for a retraining. */
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
