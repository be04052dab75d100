import { mkdir } from 'node:fs/promises';
import { Context } from '@temporalio/activity';
import { runFolder } from '../../configs/paths.ts';
import type { RunInput, RunPlan } from '../../configs/schema/index.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { evaluationRun } from '../../configs/names.ts';
import { clearEnd } from '../shared/run/run-end-files.ts';
import { makePlan, type PlanDependencies, type Purpose } from './make-plan.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';

/** Creates the activity that resolves a RunInput to a RunPlan. History records the plan, so a later deployment cannot change it. */
export const createResolvePlan =
  (dependencies: PlanDependencies) =>
  async (input: RunInput, purpose?: Purpose): Promise<RunPlan> => {
    const { cancellationSignal: signal } = Context.current();
    await clearEnd(runFolder(dependencies.home, purpose === 'evaluation' ? evaluationRun(input.name) : input.name));
    const { plan, recipe } = await withHeartbeat(
      () => 'reading the recipe',
      () => makePlan({ ...dependencies, signal }, input, purpose),
    );
    const folder = runFolder(dependencies.home, plan.runId);
    await mkdir(folder.root, { recursive: true });
    await writeFileAtomic(folder.recipe, JSON.stringify(recipe));
    return plan;
  };
