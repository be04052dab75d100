import { mkdir } from 'node:fs/promises';
import { recipeFacts } from '../plan/recipe-facts.ts';
import type { Check, RunPlan } from '../../configs/schema/index.ts';
import { isEvaluation } from '../../configs/schema/plan-weights.ts';
import { checkDisk } from './check-disk.ts';
import type { FindMissing } from './check-inputs.ts';
import { checkMachine } from './machine-checks.ts';
import { estimateDiskUsage } from './estimate-disk-usage.ts';
import { readMachine, type MachineContext } from './read-machine.ts';

/** Whether this machine can do the plan, and has room for it. */
export async function inspectMachine(place: MachineContext, findMissing: FindMissing, plan: RunPlan): Promise<Check[]> {
  const { home } = place;
  await mkdir(home, { recursive: true });
  // What is known is of training: a test takes a part of its memory, and hours where training takes months.
  const known = isEvaluation(plan) ? undefined : recipeFacts(plan.recipe.name);
  const machine = await readMachine(place);
  const needs = await estimateDiskUsage(findMissing, plan, known);
  return [...checkMachine({ plan, known, machine }), checkDisk(needs, machine.diskFreeBytes, home)];
}
