/** Observes a running job cheaply, because benchmarks poll often: reads only the end of its progress file. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { readEvents, readManifests } from '../chaos/job-record.ts';

const pollMs = 5;
const tailBytes = 2048;

/** Returns the iteration of the newest step; 0 before the first. */
export function iterationOf(jobDir: string): number {
  const iterations = readTail(`${jobDir}/progress.jsonl`).matchAll(/"type":"step".*?"iteration":(\d+)/g);
  return Number([...iterations].at(-1)?.[1] ?? 0);
}

/** Returns the attempt of the newest step. */
export function attemptOf(jobDir: string): number {
  const attempts = readTail(`${jobDir}/progress.jsonl`).matchAll(/"type":"step".*?"attempt":(\d+)/g);
  return Number([...attempts].at(-1)?.[1] ?? 0);
}

function readTail(path: string): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const buffer = Buffer.alloc(tailBytes);
    const read = readSync(descriptor, buffer, 0, tailBytes, Math.max(0, fstatSync(descriptor).size - tailBytes));
    return buffer.toString('utf8', 0, read);
  } finally {
    closeSync(descriptor);
  }
}

const Started = z.looseObject({ pids: z.array(z.int()).min(1) });

/** Returns the pid of the rank that started last. */
export function newestRank(jobDir: string): number | undefined {
  const started = readEvents(jobDir).findLast(({ type }) => type === 'started');
  return Started.safeParse(started).data?.pids[0];
}

/** Returns the newest checkpoint that has a manifest. */
export function newestCheckpoint(jobDir: string): { path: string; iteration: number } | undefined {
  const newest = readManifests(`${jobDir}/checkpoints`)[0];
  return newest && { path: `${jobDir}/checkpoints/${newest.file}`, iteration: newest.iteration };
}

export interface Recovery {
  /** Unix seconds. */
  startedAt: number;
  firstStepAt: number;
  resumedIteration: number;
  /** Steps that must be repeated. */
  stepsLost: number;
}

/** Finds the first new step after the restart that followed `at`; undefined until it happens. */
export function findRecovery(jobDir: string, at: number): Recovery | undefined {
  const events = readEvents(jobDir);
  const restart = events.findIndex(({ type, t }) => type === 'started' && t > at);
  const started = events[restart];
  if (started === undefined) return undefined;
  const { iteration: resumedIteration = 0, t: startedAt } = started;
  const isNew = ({ type, iteration = 0 }: (typeof events)[0]) => type === 'step' && iteration > resumedIteration;
  const first = events.slice(restart).find(isNew);
  if (first === undefined) return undefined;
  const before = events.slice(0, restart).findLast(({ type }) => type === 'step');
  const stepsLost = Math.max(0, (before?.iteration ?? 0) - resumedIteration);
  return { startedAt, firstStepAt: first.t, resumedIteration, stepsLost };
}

/** Polls until the result is neither undefined nor false. @throws Error after `seconds`. */
export async function until<T>(poll: () => T | undefined | false, what: string, seconds = 60): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  while (performance.now() < deadline) {
    const result = poll();
    if (result !== undefined && result !== false) return result;
    await sleep(pollMs);
  }
  throw new Error(`timed out after ${seconds} s waiting for ${what}`);
}
