import type { ActivityDependencies } from '../../activities/dependencies.ts';
import type { ControlActivities, GpuActivities } from '../../activities/index.ts';
import type { RunInput } from '../../configs/schema/index.ts';
import { mini, miniLong } from './subject-mini.ts';
import { real } from './subject-real.ts';

/** What is trained while we kill. */
export interface Subject {
  name: 'mini' | 'mini-long' | 'real';
  epochs: number;
  stepsPerEpoch: (ranks: number) => number;
  keepLast: number;
  /** About what an undisturbed run takes. Not measured: kills must follow from the seed alone. */
  expectedSeconds: number;
  /** A run that takes longer has failed. */
  deadlineSeconds: number;
  input: (name: string, ranks: number) => RunInput;
  /** Puts into a fresh home what the stack serves; before anything is started. */
  prepare: (home: string) => Promise<void>;
  /** In a worker: what differs from production. */
  dependencies: (production: ActivityDependencies) => ActivityDependencies;
  /** In the control worker: instead of the real ones. */
  stubs: Partial<ControlActivities>;
  /** In the GPU worker. */
  gpuStubs: Partial<GpuActivities>;
  /** Hash of what a checkpoint holds. */
  hashState: (path: string) => Promise<string>;
}

/** @throws Error for a name that is none of them. */
export function findSubject(name: string): Subject {
  const found = [mini, miniLong, real].find((subject) => subject.name === name);
  if (found !== undefined) return found;
  throw new Error(`expected --subject to be mini, mini-long or real, got ${name}`);
}
