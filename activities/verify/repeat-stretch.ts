import { jobFolder, type JobFolder } from '../../configs/paths.ts';
import type { GpuWait, TrainerEvent } from '../../configs/schema/index.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';
import type { Checkpoint } from '../shared/files/checkpoint-files.ts';
import { acquireFence } from '../shared/run/fence.ts';
import { ProgressReader } from '../shared/run/progress-reader.ts';
import { readArchivedPlan } from '../shared/run/plan-file.ts';
import { readControl, writeControl } from '../shared/trainer/control-file.ts';
import { startJob } from '../shared/trainer/start-job.ts';
import { requestStop, stopJob, type JobOutcome } from '../shared/trainer/trainer-process.ts';
import { watchJob } from '../shared/trainer/watch-job.ts';
import type { TrainDependencies } from '../train/dependencies.ts';
import type { Leg } from './lineage-legs.ts';
import type { RecordedRun } from './recorded-run.ts';

/** After all trainings and tests: a verification must not delay them. */
const priority = 6;

export interface Repetition {
  run: RecordedRun;
  legs: readonly Leg[];
  /** Undefined to begin with the starting weights. */
  start: Checkpoint | undefined;
  /** Empty folder of this repetition. */
  root: string;
  signal: AbortSignal;
  onWait: (wait: GpuWait | null) => void;
  /** Receives new events. @returns true to stop the training. */
  onEvents: (events: readonly TrainerEvent[]) => boolean;
}

/**
 * Trains a stretch of a run again, in a folder of its own and with the settings that the run had. Leases GPUs as a
 * training does. The trainer stops when the signal is aborted.
 * @throws Error with the cause and the log if the training fails.
 */
export async function repeatStretch(dependencies: TrainDependencies, repetition: Repetition): Promise<void> {
  const { legs, root, start, signal } = repetition;
  const job = jobFolder(`${root}/train`);
  const progress = new ProgressReader(job.progress);
  let from = start && { path: start.path, planHash: start.manifest.planHash };
  try {
    for (const leg of legs) {
      const saved = await repeatLeg(dependencies, repetition, { job, progress, leg, from });
      if (saved === undefined) return;
      from = saved;
    }
  } finally {
    if (signal.aborted) await stopJob(job);
  }
}

interface LegStart {
  job: JobFolder;
  progress: ProgressReader;
  leg: Leg;
  from: { path: string; planHash: string } | undefined;
}

/** @returns the checkpoint at the end of the leg; undefined if `onEvents` stopped the training. */
async function repeatLeg(
  { recipesFolder, python, programs, device, gpus, preparer }: TrainDependencies,
  { run, root, signal, onWait, onEvents }: Repetition,
  { job, progress, leg, from }: LegStart,
): Promise<LegStart['from']> {
  // Fewer GPUs than planned if some had failed.
  const { planHash = run.plan.planHash, control, worldSize: ranks } = leg.trainer;
  const plan = planHash === run.plan.planHash ? run.plan : await readArchivedPlan(run.folder, planHash);
  if (plan === undefined) throw new Error(`The run did not archive its plan ${planHash.slice(0, 12)}.`);
  const call = { onProgress: () => undefined, signal, fresh: false };
  const [dataset, weights] = await Promise.all([preparer.dataset(plan, call), preparer.weights(plan, call)]);
  const files = {
    plan: `${root}/plan.json`,
    recipe: `${recipesFolder}/${plan.recipe.name}.py`,
    data: dataset.root,
    weights: weights.path,
    resume: from && { path: from.path, planHash: from.planHash === planHash ? undefined : from.planHash },
    until: leg.to,
  };
  await writeFileAtomic(files.plan, JSON.stringify(plan, null, 2));
  const recorded = control ?? (await readControl(run.folder.train));
  const { learningRateFactor = 1, fp32 = false, accumulate = 1 } = recorded ?? {};
  const epochs = Math.ceil(leg.to / leg.trainer.iterationsPerEpoch);
  await writeControl(job, { v: 1, epochs, checkpointNow: 0, learningRateFactor, fp32, accumulate, gpus: ranks });

  const fence = await acquireFence(job, { workflowRun: 'verification', attempt: 1 });
  const request = { folder: gpus.folder, foreignMib: gpus.foreignMib, device, count: ranks, priority };
  const running = await startJob(
    {
      job,
      python,
      program: programs.train({ ...plan, gpus: ranks }, files, job, device),
      fence,
      stall: plan.recovery.stallSeconds,
      gpus: { ...request, since: Date.now() / 1000 },
    },
    { signal, onWait },
  );
  const stopped = new AbortController();
  let saved: LegStart['from'];
  const outcome = await watchJob(
    {
      job,
      running,
      fence,
      progress,
      onEvents: (events) => {
        for (const event of events)
          if (event.type === 'checkpoint' && event.iteration === leg.to)
            saved = { path: `${job.checkpoints}/${event.file}`, planHash };
        if (stopped.signal.aborted || !onEvents(events)) return;
        stopped.abort();
        void requestStop(running.owner);
      },
    },
    signal,
  );
  if (stopped.signal.aborted) return undefined;
  if (saved === undefined) throw new Error(explainEnd(outcome, job));
  return saved;
}

function explainEnd(outcome: JobOutcome, job: JobFolder): string {
  const cause =
    'exit' in outcome
      ? `${outcome.exit.reason}${outcome.exit.rootCause === null ? '' : `: ${outcome.exit.rootCause.message}`}`
      : 'its supervisor was killed';
  return `The repetition did not reach its end (${cause}). Log: ${job.log}. Run the command again.`;
}
