import { mkdir } from 'node:fs/promises';
import { recipeFacts } from '../plan/recipe-facts.ts';
import type { Check, RunPlan } from '../../configs/schema/index.ts';
import { isEvaluation } from '../../configs/schema/plan-weights.ts';
import { checkDisk } from './check-disk.ts';
import type { FindMissing } from './check-inputs.ts';
import { checkMachine } from './machine-checks.ts';
import { estimateDiskUsage } from './estimate-disk-usage.ts';
import { readMachine, type MachineContext } from './read-machine.ts';

/** Checks whether this machine can run the plan and has enough disk space. */
export async function inspectMachine(
  machineContext: MachineContext,
  findMissing: FindMissing,
  plan: RunPlan,
): Promise<Check[]> {
  const { home } = machineContext;
  await mkdir(home, { recursive: true });
  // The facts are about training. A test needs less memory and takes hours where training takes months.
  const known = isEvaluation(plan) ? undefined : recipeFacts(plan.recipe.name);
  const machine = await readMachine(machineContext);
  const diskUsage = await estimateDiskUsage(findMissing, plan, known);
  return [...checkMachine({ plan, known, machine }), checkDisk(diskUsage, machine.diskFreeBytes, home)];
}
