import { makePlan } from '../../activities/plan/make-plan.ts';
import type { InspectArchives } from '../../activities/preflight/check-archives.ts';
import type { FindMissing } from '../../activities/preflight/check-inputs.ts';
import { inspectMachine } from '../../activities/preflight/inspect-machine.ts';
import { inspectPlan } from '../../activities/preflight/inspect-plan.ts';
import { chooseDevice } from '../stack/device.ts';
import type { RunInput } from '../../configs/schema/index.ts';
import { startingWeights } from '../../configs/schema/plan-weights.ts';
import { createDependencies } from '../../workers/dependencies.ts';
import { printChecks } from '../terminal/print-checks.ts';
import { runInterruptible } from '../terminal/wait-for-interrupt.ts';
import { readRunInput } from './read-input.ts';

/** Checks the plan of a run and this machine. Downloads and starts nothing. */
export async function plan(file: string, options: { device?: 'cpu' | 'cuda' | undefined }): Promise<void> {
  const input = await readRunInput(file);
  const device = options.device ?? chooseDevice();
  await runInterruptible((signal) => printPlan(input, device, signal));
}

async function printPlan(input: RunInput, device: 'cpu' | 'cuda', signal: AbortSignal): Promise<void> {
  const place = { ...createDependencies(device), signal };
  const { plan: planned } = await makePlan(place, input);
  console.log(`${input.name}: ${input.dataset}, ${input.recipe}, ${startingWeights(planned.weights).id}\n`);
  const findMissing: FindMissing = (files) => place.preparer.findMissing(planned, files, place.signal);
  const inspectArchives: InspectArchives = () => place.preparer.inspectArchives(planned, place.signal);
  const checks = [
    ...(await inspectPlan(findMissing, inspectArchives, planned)),
    ...(await inspectMachine(place, findMissing, planned)),
  ];
  printChecks(checks, 'Fix the errors before you start the run.');
}
