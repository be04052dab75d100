import type { ActivityDependencies } from '../../activities/dependencies.ts';
import type { ControlActivities, GpuActivities } from '../../activities/index.ts';
import type { RunInput } from '../../configs/schema/index.ts';
import { mini, miniFreeze, miniLong } from './subject-mini.ts';
import { real, realStandby } from './subject-real.ts';

/** A training under test. */
export interface Subject {
  name: 'mini' | 'mini-long' | 'mini-freeze' | 'real' | 'real-standby';
  epochs: number;
  /** Numbers of ranks that it can train with. */
  ranks: readonly number[];
  stepsPerEpoch: (ranks: number) => number;
  keepLast: number;
  /** Approximate duration of an undisturbed run. A constant, so that kills depend only on the seed. */
  expectedSeconds: number;
  /** A run that takes longer has failed. */
  deadlineSeconds: number;
  /** Size of the disk of the run folders, which the fault `disk-full` fills. */
  smallDiskMib: number;
  input: (name: string, ranks: number) => RunInput;
  /** Creates the files that the stack serves, before anything starts. */
  prepare: (home: string) => Promise<void>;
  /** Replaces dependencies of production in a worker. */
  dependencies: (production: ActivityDependencies) => ActivityDependencies;
  /** Activities that replace those of the control worker. */
  stubs: Partial<ControlActivities>;
  /** Activities that replace those of the GPU worker. */
  gpuStubs: Partial<GpuActivities>;
  /** Hashes the state in a checkpoint. */
  hashState: (path: string) => Promise<string>;
}

/** @throws Error for an unknown name, or a number of ranks that the subject cannot train with. */
export function findSubject(name: string, ranks = 1): Subject {
  const found = [mini, miniLong, miniFreeze, real, realStandby].find((subject) => subject.name === name);
  if (found !== undefined) {
    requireRanks(found, ranks);
    return found;
  }
  throw new Error(`expected --subject to be mini, mini-long, mini-freeze, real or real-standby, got ${name}`);
}

function requireRanks({ name, ranks }: Subject, wanted: number): void {
  if (ranks.includes(wanted)) return;
  throw new Error(
    ranks.length === 1
      ? `--ranks ${wanted}: ${name} is the fake trainer, which is one process. Use --subject real for several ranks.`
      : `--ranks ${wanted}: the images of ${name} divide evenly among ${ranks.join(', ')} ranks. Choose one of these.`,
  );
}
