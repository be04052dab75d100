/** Plans kinds and moments of the faults, determined by the seed and the number of the run. */
import { Random } from './random.ts';

/** Processes to kill. `trainer`: every process of the job at once. `machine`: trainer, workers and server at once. */
export const killTargets = ['rank', 'supervisor', 'trainer', 'worker', 'server', 'machine'] as const;
/** Faults that last for some seconds. */
export const lastingTargets = ['freeze', 'emfile', 'enomem', 'read-only', 'disk-full', 'clock', 'network'] as const;
export const targets = [...killTargets, ...lastingTargets];
export type Target = (typeof targets)[number];

export type Job = 'train' | 'test';
export type Scope = 'rank' | 'supervisor';
export type WorkerName = 'gpu-worker' | 'control-worker';
/** `other-rank` is another rank than the one at the point, if there is one. */
export type Victim = 'rank' | 'other-rank' | 'supervisor' | 'trainer' | 'server' | 'machine' | WorkerName;

export type Action =
  | { kind: 'kill'; victim: Victim }
  /** The processes are stopped, as in a paused VM. */
  | { kind: 'freeze'; victim: Victim; seconds: number }
  /** The process can open no file (`emfile`) or map no memory (`enomem`). */
  | { kind: 'emfile' | 'enomem'; victim: Victim; seconds: number }
  | { kind: 'read-only'; folder: 'run' | 'checkpoints' | 'store'; seconds: number }
  /** No byte is free on the disk of the run folders, or on that of everything else, the server's database included. */
  | { kind: 'disk-full'; disk: Disk; seconds: number }
  /** The wall clock of the process jumps, and jumps back. */
  | { kind: 'clock'; victim: ClockVictim; shiftSeconds: number; seconds: number }
  /** Between worker and server no data pass, although connections stay open (`silent`), or each one is closed. */
  | { kind: 'network'; how: 'silent' | 'refused'; victim: WorkerName; seconds: number };
export type Disk = 'runs' | 'home';
/** The server is written in Go, whose clock cannot be changed for one process. */
export type ClockVictim = WorkerName | 'trainer';
export type Lasting = Exclude<Action, { kind: 'kill' }>;

export type Moment =
  /** This many seconds after the fault is due. */
  | { at: 'time'; seconds: number }
  /** Inside the trainer at the nth such call, where it is frozen until the fault has begun (python/sitecustomize.py). */
  | { at: 'point'; scope: Scope; job: Job; point: string; nth: number }
  /** When this file or folder of the run changes. */
  | { at: 'change'; path: string };

export interface Fault {
  id: number;
  action: Action;
  /** Due right after the previous fault has begun; otherwise due after its end and a new checkpoint. */
  soon: boolean;
  moment: Moment;
}

export interface FaultOptions {
  targets: readonly Target[];
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
    const action = planAction(random, random.pick(options.targets));
    // Three crashes in a row without a new checkpoint end a run by design: never plan two hasty faults in a row.
    const soon = id > 1 && faults.at(-1)?.soon === false && random.chance(0.25);
    const moment = planMoment(random, action, options, id === options.faults);
    faults.push({ id, action, soon, moment });
  }
  return faults;
}

const workers = ['gpu-worker', 'control-worker'] as const;
const processes = ['gpu-worker', 'control-worker', 'supervisor', 'rank', 'server'] as const;
const hour = 3600;
const shifts = [-24 * hour, -hour, -10, 10, hour, 24 * hour];

function planAction(random: Random, target: Target): Action {
  const worker = random.pick(workers);
  const rank = random.chance(0.5) ? 'other-rank' : 'rank';
  const pickVictim = (names: readonly Victim[]) => {
    const name = random.pick(names);
    return name === 'rank' ? rank : name;
  };
  const seconds = (longest: number) => random.between(1, longest);
  switch (target) {
    case 'rank':
      return { kind: 'kill', victim: rank };
    case 'worker':
      return { kind: 'kill', victim: worker };
    case 'supervisor':
    case 'trainer':
    case 'server':
    case 'machine':
      return { kind: 'kill', victim: target };
    case 'freeze':
      return { kind: target, victim: pickVictim([...processes, 'trainer', 'machine']), seconds: seconds(60) };
    case 'emfile':
      return { kind: target, victim: pickVictim(processes), seconds: seconds(15) };
    case 'enomem':
      // A child inherits this limit, so the workers, which start the trainer, are left out.
      return { kind: target, victim: pickVictim(['rank', 'server']), seconds: seconds(15) };
    case 'read-only':
      return { kind: target, folder: random.pick(['run', 'checkpoints', 'store']), seconds: seconds(15) };
    case 'disk-full':
      return { kind: target, disk: random.pick(['runs', 'home']), seconds: seconds(15) };
    case 'clock': {
      const victim = random.pick([...workers, 'trainer'] as const);
      return { kind: target, victim, shiftSeconds: random.pick(shifts), seconds: seconds(15) };
    }
    case 'network':
      return { kind: target, how: random.pick(['silent', 'refused']), victim: worker, seconds: seconds(30) };
    default:
      return target satisfies never;
  }
}

/** Plans a kill of a worker or the server every few seconds. */
export function planSoak(seed: string, faults: number): Fault[] {
  const random = new Random(`${seed} soak`);
  return Array.from({ length: faults }, (_, index) => {
    const action = planAction(random, random.pick(['worker', 'server']));
    return { id: index + 1, action, soon: true, moment: { at: 'time', seconds: random.between(1, 5) } };
  });
}

/** Plans one freeze of the GPU worker, such as a paused VM: shorter or longer than the timeouts of its heartbeats. */
export function planFreeze(seed: string, run: number): Fault[] {
  const random = new Random(`${seed} freeze ${run}`);
  const moment: Moment = { at: 'time', seconds: random.between(1, 8) };
  const action: Action = { kind: 'freeze', victim: 'gpu-worker', seconds: random.between(5, 60) };
  return [{ id: 1, action, soon: false, moment }];
}

/** Returns the name of the kind and what it hits, such as `freeze gpu-worker`; kills have only the name of the victim. */
export function formatAction(action: Action): string {
  switch (action.kind) {
    case 'kill':
      return nameOf(action.victim);
    case 'read-only':
      return `read-only ${action.folder}`;
    case 'disk-full':
      return `disk-full ${action.disk}`;
    case 'network':
      return `network ${action.how} ${action.victim}`;
    case 'freeze':
    case 'emfile':
    case 'enomem':
    case 'clock':
      return `${action.kind} ${nameOf(action.victim)}`;
    default:
      return action satisfies never;
  }
}

const nameOf = (victim: Victim): string => (victim === 'other-rank' ? 'rank' : victim);

/** Only the last fault may come after training, because none could follow it. */
function planMoment(random: Random, action: Action, options: FaultOptions, isLast: boolean): Moment {
  const lottery = random.next();
  if (lottery < 0.3) return { at: 'time', seconds: random.between(0, options.expectedSeconds / options.faults) };
  if (lottery < 0.7 || !isLast) return pointOfTraining(random, action, options);
  if (lottery < 0.85) return pointOfTest(random, action);
  return { at: 'change', path: random.pick(hitsTrainer(action) ? changesWhileTrainerLives : changes) };
}

const hitsTrainer = (action: Action): boolean =>
  'victim' in action && ['rank', 'other-rank', 'supervisor', 'trainer'].includes(action.victim);
const hitsRank = (action: Action): boolean =>
  'victim' in action && (action.victim === 'rank' || action.victim === 'other-rank');

interface Points {
  scope: Scope;
  points: string[];
  /** Maximum number of times that each point is reached. */
  passages: number;
}

function pointOfTraining(random: Random, action: Action, { faults, epochs, stepsPerEpoch }: FaultOptions): Moment {
  return pickPoint(random, action, 'train', [
    { scope: 'rank', points: aroundCheckpoint, passages: (epochs + 2) / faults },
    { scope: 'rank', points: aroundCheckpoint, passages: (epochs + 2) / faults },
    { scope: 'rank', points: aroundRetention, passages: 2 },
    { scope: 'rank', points: aroundSteps, passages: (epochs * stepsPerEpoch) / faults },
    { scope: 'rank', points: aroundValidation, passages: epochs / faults },
    { scope: 'rank', points: startAndEnd, passages: 1 },
    { scope: 'supervisor', points: ofSupervisor, passages: 1 },
  ]);
}

const pointOfTest = (random: Random, action: Action): Moment =>
  pickPoint(random, action, 'test', [
    { scope: 'rank', points: startAndEnd, passages: 1 },
    { scope: 'rank', points: aroundMetrics, passages: 1 },
    { scope: 'supervisor', points: ofSupervisor, passages: 1 },
  ]);

function pickPoint(random: Random, action: Action, job: Job, all: Points[]): Moment {
  // No rank exists while the supervisor starts or exits.
  const { scope, points, passages } = random.pick(all.filter((one) => !hitsRank(action) || one.scope === 'rank'));
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
