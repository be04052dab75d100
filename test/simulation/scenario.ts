/** What happens in one simulation: its shape, its workload and its faults, all drawn from the seed. */
import { Random } from '../chaos/random.ts';
import type { TrainingShape } from './machine/trainer-model.ts';

/** A request of a user. */
export type Action =
  | { kind: 'pause' | 'resume' | 'checkpointNow' | 'startOver' | 'cancel' | 'terminate' }
  | { kind: 'stopAfterEpoch' | 'extendEpochs'; epochs: number }
  /** Resets the workflow by so many workflow tasks. */
  | { kind: 'reset'; tasks: number }
  | { kind: 'change data' | 'trigger' | 'approve' }
  /** Changes the champion by hand. */
  | { kind: 'roll back' | 'promote' };

/** What the user started: one training, a model that is retrained, or a sweep of two variants. */
type Workload = 'train' | 'retrain' | 'sweep';

export type Place = 'gpu-worker' | 'control-worker' | 'supervisor' | 'ranks';

/** What another build, or a command of a person, may send to a workflow in another form than it expects. */
const messages = ['result', 'heartbeat', 'signal'] as const;
export type Message = (typeof messages)[number];

/** How a message is malformed. */
const malformations = ['missing', 'torn', 'without a field', 'with a field of another type'] as const;
export type Malformation = (typeof malformations)[number];

/** Error codes of system calls that pass. */
const passingErrors = ['EMFILE', 'EIO', 'EACCES', 'ESTALE', 'ENOMEM', 'ENOSPC'] as const;

/** Damage to checkpoints: to the newest one, to all, to the newest one without a change of its size, or to its manifest. */
const damages = ['newest', 'all', 'bits', 'manifest'] as const;

export type Fault =
  | { kind: 'kill'; place: Place; downMs: number }
  | { kind: 'kill at call'; place: Place; calls: number; downMs: number }
  | { kind: 'freeze'; place: Place; ms: number }
  | { kind: 'freeze at call'; place: Place; calls: number; ms: number }
  | { kind: 'stop worker'; place: 'gpu-worker' | 'control-worker'; downMs: number }
  | { kind: 'cut off'; place: 'gpu-worker' | 'control-worker'; ms: number }
  | { kind: 'stop server'; ms: number }
  | { kind: 'lose power'; downMs: number }
  | { kind: 'evict' }
  /** The GPU machine is cut off with its trainer, and another machine serves its queue from then on. */
  | { kind: 'move'; ms: number }
  /** Until then, the control workers run a build without the patches of workflows/train/patches.ts. */
  | { kind: 'upgrade'; downMs: number }
  | { kind: 'malformed message'; message: Message; how: Malformation; field: number }
  | { kind: 'call error'; place: Place; code: (typeof passingErrors)[number]; calls: number; count: number }
  | { kind: 'fill disk'; ms: number }
  | { kind: 'damage checkpoint'; which: (typeof damages)[number] }
  /** A GPU is lost for a time, works again for a time, and so on. */
  | { kind: 'lose GPU'; gpu: number; ms: number; times: number; worksMs: number }
  | { kind: 'fail ranks'; line: string }
  | { kind: 'hang ranks' };

/** States of a run at which faults and requests matter most. Times alone rarely hit them. */
const milestones = ['attempt', 'ranks started', 'checkpoint', 'last checkpoint', 'timeout'] as const;
export type Milestone = (typeof milestones)[number] | 'registry change';

interface Moment {
  /** Time since the start, or since the milestone. */
  atMs: number;
  /** The nth time that a run reaches a milestone. */
  after?: { milestone: Milestone; count: number };
}

/** Something that happens at a moment. */
export type ScheduledEvent = { id: number } & Moment & ({ action: Action } | { fault: Fault });

export interface Scenario {
  seed: string;
  workload: Workload;
  /** GPUs of the machine, all of which a run needs; 0 to train on the CPU. */
  gpus: number;
  /** Whether a run continues on fewer GPUs. */
  fewerGpus: boolean;
  /** Whether a person approves candidates. */
  asksPerson: boolean;
  shape: TrainingShape;
  epochs: number;
  /** Share of stub calls that fail, and their longest duration. */
  stubFailureRate: number;
  stubLongestMs: number;
  /** Share of system calls that take time, so that processes interleave between two of them. */
  slowCallRate: number;
  events: ScheduledEvent[];
}

type FaultKind = Fault['kind'];
const faultKinds: FaultKind[] = [
  'kill',
  'kill at call',
  'freeze',
  'freeze at call',
  'stop worker',
  'cut off',
  'stop server',
  'lose power',
  'move',
  'evict',
  'upgrade',
  'malformed message',
  'call error',
  'fill disk',
  'damage checkpoint',
  'lose GPU',
  'fail ranks',
  'hang ranks',
];
const retrainActions: Action['kind'][] = ['change data', 'trigger', 'trigger', 'approve', 'roll back', 'promote'];
const actionKinds: Action['kind'][] = [
  'pause',
  'checkpointNow',
  'startOver',
  'stopAfterEpoch',
  'extendEpochs',
  'cancel',
  'terminate',
  'reset',
];

/** Lines that trainers leave in the log, one for each reaction of configs/failures.json that ends or continues a run. */
const failureLines = [
  'AssertionError: the moon is in the wrong phase',
  'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.21 GiB.',
  'FloatingPointError: training diverged: the loss was not finite in steps 1 to 5',
  'OSError: [Errno 28] No space left on device',
  'ValueError: e001-i000010.pth is damaged: its bytes are not those of its manifest',
  'RuntimeError: CUDA error: an illegal memory access was encountered',
  'KeyError: "LoadPanopticAnnotation is not in the transform registry"',
];

/** Most of the work is done within this time if nothing disturbs it. */
const busyMs = 40_000;
/** Nothing of a scenario begins after this time. */
export const lastMomentMs = 2 * busyMs;

/** Shares of the kinds that a seed enables. */
const shares = [0.08, 0.2, 0.4];

/** Returns whether a schedule contains a kind of fault. */
export const hasFault = ({ events }: Scenario, kind: Fault['kind']): boolean =>
  events.some((event) => 'fault' in event && event.fault.kind === kind);

/**
 * Plans a simulation. Each seed leaves most kinds of faults and requests out (swarm testing): kinds that hide each other
 * then also occur alone, and several faults of one kind together.
 */
export function planScenario(seed: string): Scenario {
  const random = new Random(seed);
  const gpus = random.pick([0, 0, 1, 2, 4]);
  const workload = random.pick(['train', 'train', 'train', 'retrain', 'sweep'] as const);
  const canStrike = (kind: FaultKind) => (kind !== 'lose GPU' || gpus > 0) && (kind !== 'move' || workload === 'train');
  const share = random.pick(shares);
  const enabledFaults = faultKinds.filter((kind) => random.chance(share) && canStrike(kind));
  // A GPU counts as broken after two failures.
  if (enabledFaults.includes('lose GPU')) enabledFaults.push('lose GPU', 'lose GPU');
  const enabledActions = actionKinds.filter(() => random.chance(0.4));
  if (workload === 'retrain') enabledActions.push(...retrainActions);
  const events: ScheduledEvent[] = [];
  const add = (moment: Moment, event: { action: Action } | { fault: Fault }) =>
    events.push({ id: events.length + 1, ...moment, ...event });
  const faults = enabledFaults.length === 0 ? 0 : Math.floor(random.next() * 5);
  for (let count = 0; count < faults; count++)
    add(momentOf(random), { fault: planFault(random, random.pick(enabledFaults)) });
  const mostActions = workload === 'retrain' ? 6 : 3;
  const actions = enabledActions.length === 0 ? 0 : Math.floor(random.next() * mostActions);
  for (let count = 0; count < actions; count++) {
    const kind = random.pick(enabledActions);
    const moment = kind === 'promote' || kind === 'roll back' ? afterRegistryChange(random) : momentOf(random);
    add(moment, { action: planAction(random, kind) });
    if (kind === 'pause' && random.chance(0.8))
      add({ ...moment, atMs: moment.atMs + random.between(100, 40_000) }, { action: { kind: 'resume' } });
    // Two people decide at the same time.
    if (kind === 'promote' && random.chance(0.5)) add(moment, { action: { kind } });
  }
  return {
    seed,
    workload,
    gpus,
    fewerGpus: random.chance(0.5),
    asksPerson: random.chance(0.3),
    epochs: 1 + random.count(2),
    shape: {
      stepsPerEpoch: 8,
      // Long steps, so that the trainer of an ended workflow would still train when the last fault is over.
      stepMs: random.chance(0.15) ? random.between(3_000, 10_000) : random.between(200, 700),
      startupMs: random.between(500, 4_000),
      supervisorMs: random.between(50, 1_500),
      checkpointEvery: random.pick([3, 8]),
      saveMs: random.pick([0, 0, 500, 4_000]),
      exitMs: random.pick([0, 0, 1_500]),
      keepLast: 3,
    },
    stubFailureRate: random.chance(0.3) ? random.between(0, 0.3) : 0,
    stubLongestMs: random.between(50, 2_000),
    slowCallRate: random.pick([0, 0.05, 0.3]),
    events: events.sort((a, b) => a.atMs - b.atMs),
  };
}

function momentOf(random: Random): Moment {
  if (random.chance(0.5)) return { atMs: random.between(0, random.chance(0.8) ? busyMs : lastMomentMs) };
  const after = { milestone: random.pick(milestones), count: random.count(3) };
  return { atMs: random.between(0, random.chance(0.5) ? 300 : 3_000), after };
}

/** Returns a moment at which the registry has versions, and a workflow may be changing it. */
const afterRegistryChange = (random: Random): Moment => ({
  atMs: random.between(0, random.chance(0.5) ? 50 : 3_000),
  after: { milestone: 'registry change', count: random.count(3) },
});

function planAction(random: Random, kind: Action['kind']): Action {
  if (kind === 'stopAfterEpoch') return { kind, epochs: random.count(2) };
  if (kind === 'extendEpochs') return { kind, epochs: 2 + random.count(2) };
  if (kind === 'reset') return { kind, tasks: random.count(random.chance(0.5) ? 3 : 20) };
  return { kind };
}

function planFault(random: Random, kind: FaultKind): Fault {
  const place = random.pick(['gpu-worker', 'gpu-worker', 'control-worker', 'supervisor', 'ranks'] as const);
  const worker = random.pick(['gpu-worker', 'control-worker'] as const);
  const downMs = random.between(200, random.chance(0.8) ? 5_000 : 30_000);
  const calls = random.count(random.chance(0.5) ? 40 : 400);
  switch (kind) {
    case 'kill':
      return { kind, place, downMs };
    case 'kill at call':
      return { kind, place, calls, downMs };
    case 'freeze':
      return { kind, place, ms: random.between(1_000, 60_000) };
    case 'freeze at call':
      return { kind, place, calls, ms: random.between(1_000, 60_000) };
    case 'stop worker':
      return { kind, place: worker, downMs };
    case 'cut off':
      return { kind, place: worker, ms: random.between(1_000, 60_000) };
    case 'stop server':
      return { kind, ms: random.between(1_000, 60_000) };
    case 'lose power':
    case 'upgrade':
      return { kind, downMs };
    case 'malformed message': {
      const [message, how] = [random.pick(messages), random.pick(malformations)];
      return { kind, message, how, field: random.count(40) };
    }
    case 'call error':
      return {
        kind,
        place,
        code: random.pick(passingErrors),
        calls,
        count: random.count(random.chance(0.7) ? 2 : 100),
      };
    case 'fill disk':
      return { kind, ms: random.between(1_000, 60_000) };
    case 'damage checkpoint':
      return { kind, which: random.pick(damages) };
    case 'lose GPU':
      return {
        kind,
        gpu: random.pick([0, 0, 0, 1]),
        ms: random.between(1_000, random.pick([8_000, 60_000, 300_000])),
        times: random.chance(0.7) ? 1 : 1 + random.count(2),
        worksMs: random.between(2_000, 20_000),
      };
    case 'fail ranks':
      return { kind, line: random.pick(failureLines) };
    case 'move':
      return { kind, ms: random.between(15_000, 60_000) };
    case 'evict':
    case 'hang ranks':
      return { kind };
    default:
      return kind satisfies never;
  }
}
