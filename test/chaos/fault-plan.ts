/** Plans targets and moments of the faults, determined by the seed and the number of the run. */
import { Random } from './random.ts';

export const targets = ['rank', 'supervisor', 'trainer', 'worker', 'server', 'machine'] as const;
/** `trainer`: every process of the job at once. `machine`: trainer, both workers and the server at once. */
export type Target = (typeof targets)[number];

export type Job = 'train' | 'test';
export type Scope = 'rank' | 'supervisor';
export type WorkerName = 'gpu-worker' | 'control-worker';

export type Moment =
  /** This many seconds after the fault is due. */
  | { at: 'time'; seconds: number }
  /** Inside the trainer at the nth such call, where it is frozen while the fault is injected (python/sitecustomize.py). */
  | { at: 'point'; scope: Scope; job: Job; point: string; nth: number }
  /** When this file or folder of the run changes. */
  | { at: 'change'; path: string };

export interface Fault {
  id: number;
  target: Target;
  /** Used if the target is `worker`. */
  worker: WorkerName;
  /** If the target is `rank`: hits another rank than the one at the point, if there is one. */
  otherRank: boolean;
  /** Due right after the previous fault, during recovery; otherwise due after a new checkpoint. */
  soon: boolean;
  moment: Moment;
  /** Freezes the target for so long instead of killing it. */
  freezeSeconds?: number;
}

export interface FaultOptions {
  target: Target | 'all';
  faults: number;
  /** Duration of an undisturbed run. */
  expectedSeconds: number;
  epochs: number;
  stepsPerEpoch: number;
}

export function planFaults(seed: string, run: number, options: FaultOptions): Fault[] {
  const random = new Random(`${seed} ${run}`);
  const faults: Fault[] = [];
  for (let id = 1; id <= options.faults; id++) {
    const target = options.target === 'all' ? random.pick(targets) : options.target;
    const worker = random.pick(['gpu-worker', 'control-worker'] as const);
    const otherRank = random.chance(0.5);
    // Three crashes in a row without a new checkpoint end a run by design: never plan two hasty faults in a row.
    const soon = id > 1 && faults.at(-1)?.soon === false && random.chance(0.25);
    const moment = planMoment(random, target, options, id === options.faults);
    faults.push({ id, target, worker, otherRank, soon, moment });
  }
  return faults;
}

/** Plans a kill of a worker or the server every few seconds. */
export function planSoak(seed: string, faults: number): Fault[] {
  const random = new Random(`${seed} soak`);
  return Array.from({ length: faults }, (_, index) => ({
    id: index + 1,
    target: random.pick(['worker', 'server'] as const),
    otherRank: false,
    soon: true,
    worker: random.pick(['gpu-worker', 'control-worker'] as const),
    moment: { at: 'time', seconds: random.between(1, 5) },
  }));
}

/** Plans one freeze of the GPU worker, such as a paused VM: shorter or longer than the timeouts of its heartbeats. */
export function planFreeze(seed: string, run: number): Fault[] {
  const random = new Random(`${seed} freeze ${run}`);
  const moment: Moment = { at: 'time', seconds: random.between(1, 8) };
  const freezeSeconds = random.between(5, 60);
  return [{ id: 1, target: 'worker', worker: 'gpu-worker', otherRank: false, soon: false, moment, freezeSeconds }];
}

/** Only the last fault may come after training, because none could follow it. */
function planMoment(random: Random, target: Target, options: FaultOptions, isLast: boolean): Moment {
  const lottery = random.next();
  if (lottery < 0.3) return { at: 'time', seconds: random.between(0, options.expectedSeconds / options.faults) };
  if (lottery < 0.7 || !isLast) return pointOfTraining(random, target, options);
  if (lottery < 0.85) return pointOfTest(random, target);
  return { at: 'change', path: random.pick(hitsTrainer(target) ? changesWhileTrainerLives : changes) };
}

const hitsTrainer = (target: Target): boolean => target === 'rank' || target === 'supervisor' || target === 'trainer';

interface Points {
  scope: Scope;
  points: string[];
  /** Maximum number of times that each point is reached. */
  passages: number;
}

function pointOfTraining(random: Random, target: Target, { faults, epochs, stepsPerEpoch }: FaultOptions): Moment {
  return pickPoint(random, target, 'train', [
    { scope: 'rank', points: aroundCheckpoint, passages: (epochs + 2) / faults },
    { scope: 'rank', points: aroundCheckpoint, passages: (epochs + 2) / faults },
    { scope: 'rank', points: aroundRetention, passages: 2 },
    { scope: 'rank', points: aroundSteps, passages: (epochs * stepsPerEpoch) / faults },
    { scope: 'rank', points: aroundValidation, passages: epochs / faults },
    { scope: 'rank', points: startAndEnd, passages: 1 },
    { scope: 'supervisor', points: ofSupervisor, passages: 1 },
  ]);
}

const pointOfTest = (random: Random, target: Target): Moment =>
  pickPoint(random, target, 'test', [
    { scope: 'rank', points: startAndEnd, passages: 1 },
    { scope: 'rank', points: aroundMetrics, passages: 1 },
    { scope: 'supervisor', points: ofSupervisor, passages: 1 },
  ]);

function pickPoint(random: Random, target: Target, job: Job, all: Points[]): Moment {
  // No rank exists while the supervisor starts or exits.
  const { scope, points, passages } = random.pick(all.filter((one) => target !== 'rank' || one.scope === 'rank'));
  return { at: 'point', scope, job, point: random.pick(points), nth: random.count(Math.max(1, passages)) };
}

const aroundCheckpoint = [
  ...['before:open:*.pth.part', 'after:open:*.pth.part', 'after:write:*.pth.part', 'before:fsync:*.pth.part'],
  ...['after:fsync:*.pth.part', 'before:rename:*.pth', 'after:rename:*.pth', 'after:fsync:checkpoints'],
  ...['after:open:.e*.json.part', 'after:write:.e*.json.part', 'before:rename:e*.json', 'after:rename:e*.json'],
  ...['before:append:checkpoint', 'during:append:checkpoint', 'after:append:checkpoint'],
];
const aroundRetention = [
  'before:unlink:e*.json',
  'after:unlink:e*.json',
  'before:unlink:e*.pth',
  'after:unlink:e*.pth',
];
const aroundSteps = ['before:append:step', 'during:append:step', 'after:append:step'];
const aroundValidation = [
  ...['after:heartbeat:validation', 'before:append:validation', 'during:append:validation', 'after:append:validation'],
];
const startAndEnd = [
  ...['before:append:started', 'during:append:started', 'after:append:started'],
  ...['before:append:ended', 'during:append:ended', 'after:append:ended'],
];
const ofSupervisor = [
  ...['after:open:.owner.json.part', 'before:rename:owner.json', 'after:rename:owner.json'],
  ...['after:open:.exit.json.part', 'before:rename:exit.json', 'after:rename:exit.json'],
];
const aroundMetrics = [
  ...['before:append:tested', 'after:append:tested', 'after:open:.metrics.json.part', 'before:rename:metrics.json'],
  'after:rename:metrics.json',
];

/** All points that a plan can name: `scope job point`. */
export const allPoints = [
  ...[...aroundCheckpoint, ...aroundRetention, ...aroundSteps, ...aroundValidation, ...startAndEnd].map(
    (point) => `rank train ${point}`,
  ),
  ...[...startAndEnd, ...aroundMetrics].map((point) => `rank test ${point}`),
  ...ofSupervisor.flatMap((point) => [`supervisor train ${point}`, `supervisor test ${point}`]),
];

const changesWhileTrainerLives = ['train/owner.json', 'train/heartbeats', 'test/owner.json', 'test/heartbeats'];
const changes = [
  ...['plan.json', 'train/fences', 'train/owner.json', 'train/exit.json'],
  ...['test/fences', 'test/owner.json', 'test/exit.json', 'test/metrics.json'],
  ...['report', 'report/report.json', 'report/index.html'],
];
