import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { homeFolders } from '../../configs/paths.ts';
import type { GpuWait, RunPlan, TrainerEvent } from '../../configs/schema/index.ts';
import { formatTrainerVersion, trainedBy } from '../../configs/trainer-versions.ts';
import type { OpenStore } from '../shared/store/artifact-store.ts';
import { formatPlural } from '../shared/summary/format-time.ts';
import type { Device } from '../shared/trainer/trainer-argv.ts';
import type { TrainDependencies } from '../train/dependencies.ts';
import { compareEpochs, compareLosses, type HashComparison, type LossComparison } from './compare-stretch.ts';
import { divideIntoLegs, type Leg, type Stretch } from './lineage-legs.ts';
import { NotVerifiable, readRecordedRun, requireEpoch, type RecordedRun } from './recorded-run.ts';
import { repeatStretch } from './repeat-stretch.ts';
import { earliestStart, findStart } from './starting-point.ts';

export interface VerificationRequest {
  runId: string;
  epoch: number;
  /** Iterations of the run; the complete epoch if undefined. */
  steps: { first: number; last: number } | undefined;
  /** Largest relative difference of two equal losses; that of the device if undefined. */
  tolerance: number | undefined;
  /** Train any number of epochs in addition, if the checkpoints in between were deleted. */
  fromEarlier: boolean;
  signal: AbortSignal;
  onWait: (wait: GpuWait | null) => void;
  onStart: (message: string) => void;
  onStep: (done: number, total: number) => void;
}

export interface Verification {
  v: 1;
  run: string;
  epoch: number;
  equal: boolean;
  /** Iterations of the run that were trained again. */
  steps: { first: number; last: number };
  /** File name of the checkpoint at which the repetition began; null for the starting weights. */
  checkpoint: string | null;
  device: Device;
  tolerance: number;
  losses: LossComparison;
  /** Hashes at the end of each epoch that was repeated. */
  hashes: HashComparison[];
  /** What limits or explains the result. */
  notes: string[];
  /** Folder of the repetition, which is kept if it differs. */
  folder: string | null;
  seconds: number;
}

/**
 * Kernels of a GPU sum in a nondeterministic order, and training amplifies the difference from step to step. The value
 * is a choice, not a measurement.
 */
const gpuTolerance = 0.05;

type VerifyDependencies = TrainDependencies & { openStore: OpenStore; versions: RunPlan['versions'] };

/**
 * Trains an epoch of a run again, from a checkpoint before it, and compares losses and hashes. Only reads the run.
 * @throws NotVerifiable; Error if the repetition fails.
 */
export async function verifyEpoch(
  dependencies: VerifyDependencies,
  request: VerificationRequest,
): Promise<Verification> {
  const run = await readRecordedRun(dependencies.home, request.runId);
  const epoch = requireEpoch(run, request.epoch);
  const steps = chooseSteps(run, request, epoch);
  const { verifications } = homeFolders(dependencies.home);
  await mkdir(verifications, { recursive: true });
  const root = await mkdtemp(`${verifications}/${run.runId}-epoch-${request.epoch}-`);
  let isKept = false;
  try {
    const verification = await verifyIn(root, dependencies, run, request, epoch, steps);
    isKept = !verification.equal;
    return verification;
  } catch (error) {
    // The log of a failed training is its evidence.
    isKept = !request.signal.aborted && existsSync(`${root}/train/trainer.log`);
    throw error;
  } finally {
    if (!isKept) await rm(root, { recursive: true, force: true });
  }
}

function chooseSteps({ plan, losses }: RecordedRun, { epoch, steps }: VerificationRequest, whole: Stretch): Stretch {
  const { from, to } = whole;
  if (steps === undefined) return whole;
  const { first, last } = steps;
  if (first <= from || first > last || last > to)
    throw new NotVerifiable(`Epoch ${epoch} has steps ${from + 1}..${to}; ${first}..${last} is not part of it.`);
  if (![...losses.keys()].some((step) => step >= first && step <= last))
    throw new NotVerifiable(
      `The run logged no loss in steps ${first}..${last}: it logs every ${plan.logEverySteps} steps (logEverySteps), and the last one of each epoch. Choose more --steps.`,
    );
  return { from: first - 1, to: last };
}

async function verifyIn(
  root: string,
  dependencies: VerifyDependencies,
  run: RecordedRun,
  request: VerificationRequest,
  epoch: Stretch,
  steps: Stretch,
): Promise<Verification> {
  const begin = performance.now();
  const { device, openStore } = dependencies;
  const { signal, onWait, onStart, onStep } = request;
  const address = run.plan.input.artifacts.store;
  const into = `${root}/start`;
  await mkdir(into);
  const { checkpoint, notes } = await findStart(run, {
    openStore: () => (address === 'local' ? undefined : openStore(address)),
    epoch: request.epoch,
    at: steps.from,
    earliest: request.fromEarlier ? 0 : earliestStart(epoch),
    into,
    signal,
  });
  const stretch = { from: checkpoint?.manifest.iteration ?? 0, to: steps.to };
  const legs = divideIntoLegs(run.trainers, stretch);
  const isExact = device === 'cpu' && legs.every(({ trainer }) => trainer.device === 'cpu');
  const tolerance = request.tolerance ?? (isExact ? 0 : gpuTolerance);
  const from = checkpoint === undefined ? 'the starting weights' : `checkpoint ${checkpoint.manifest.file}`;
  onStart(`Training steps ${stretch.from + 1} to ${stretch.to} again, from ${from}`);

  const repeated: TrainerEvent[] = [];
  let losses = compareLosses(run.losses, repeated, tolerance);
  const onEvents = (events: readonly TrainerEvent[]) => {
    repeated.push(...events);
    losses = compareLosses(run.losses, repeated, tolerance);
    const done = repeated.findLast((event) => event.type === 'step')?.iteration ?? stretch.from;
    onStep(done - stretch.from, stretch.to - stretch.from);
    return losses.difference !== null;
  };
  await repeatStretch(dependencies, { run, legs, start: checkpoint, root, signal, onWait, onEvents });

  const last = losses.difference?.step ?? stretch.to;
  const hashes = compareEpochs(run.epochs, repeated, last);
  notes.push(...explainCircumstances(dependencies, run, legs, repeated));
  if (last === epoch.to && !hashes.some((one) => one.epoch === request.epoch))
    notes.push('An earlier version trained this epoch and recorded no hashes. Only losses are compared.');
  if (!isExact) notes.push('On a GPU, weights and optimizer may differ: its kernels sum in a nondeterministic order.');
  const equal = losses.difference === null && losses.steps > 0 && hashes.every((one) => isEqual(one, isExact));
  return {
    v: 1,
    run: run.runId,
    epoch: request.epoch,
    equal,
    steps: { first: stretch.from + 1, last },
    checkpoint: checkpoint?.manifest.file ?? null,
    device,
    tolerance,
    losses,
    hashes,
    notes,
    folder: equal ? null : root,
    seconds: (performance.now() - begin) / 1000,
  };
}

const isEqual = ({ samples, random, weights, optimizer }: HashComparison, isExact: boolean): boolean =>
  [samples, random, ...(isExact ? [weights, optimizer] : [])].every((one) => one === 'equal');

/** Lists what is different from when the run trained, and what is unknown. */
function explainCircumstances(
  { versions }: VerifyDependencies,
  { plan }: RecordedRun,
  legs: readonly Leg[],
  repeated: readonly TrainerEvent[],
): string[] {
  const notes: string[] = [];
  const [planned, here] = [plan.versions, versions].map((one) => formatTrainerVersion(one, trainedBy));
  if (planned !== here)
    notes.push(
      `The run was planned with everswin ${plan.versions.everswin}, whose trainer gives other results: version ${planned}, here ${here}.`,
    );
  if (legs.some(({ trainer }) => trainer.control === undefined))
    notes.push('An earlier version trained these steps and recorded no control values. The newest ones are assumed.');
  if (legs.length > 1)
    notes.push(`The settings changed ${formatPlural(legs.length - 1, 'time')} within these steps, as in the run.`);
  const ours = repeated.find((event) => event.type === 'started');
  const theirs = legs[0]?.trainer;
  if (ours === undefined || theirs === undefined) return notes;
  if (ours.device !== theirs.device)
    notes.push(`The run trained on ${theirs.device}, the repetition on ${ours.device}.`);
  for (const [name, version] of Object.entries(theirs.versions))
    if (ours.versions[name] !== undefined && ours.versions[name] !== version)
      notes.push(`The run trained with ${name} ${version}, the repetition with ${ours.versions[name]}.`);
  return notes;
}
