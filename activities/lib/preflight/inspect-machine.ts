import { mkdir } from 'node:fs/promises';
import { recipeFacts } from '../../../configs/references.ts';
import type { Check, RunPlan } from '../../../configs/schema.ts';
import { checkDisk } from './check-disk.ts';
import { checkMachine } from './check-machine.ts';
import { diskNeeds } from './disk-needs.ts';
import { readMachine, type MachinePlace } from './read-machine.ts';

/** Whether this machine can train the plan, and has room for it. */
export async function inspectMachine(place: MachinePlace, plan: RunPlan): Promise<Check[]> {
  const { home } = place;
  await mkdir(home, { recursive: true });
  const known = recipeFacts(plan.recipe.name);
  const machine = await readMachine(place);
  const needs = await diskNeeds(home, plan, known);
  return [...checkMachine({ plan, known, machine }), checkDisk(needs, machine.diskFreeBytes, home)];
}
