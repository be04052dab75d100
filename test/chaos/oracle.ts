/** Compares the files of a run with those of an undisturbed run (checks O1 to O6 of the chaos suite). */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { relative } from 'node:path';
import type { RunFolder } from '../../configs/paths.ts';
import {
  acknowledgedCheckpoints,
  hashFile,
  parseJson,
  preservedLineage,
  readEvents,
  readManifests,
} from './job-record.ts';

/** Results of an undisturbed run of the same plan. */
export interface Reference {
  /** File name and state hash of the final checkpoint. */
  finalFile: string;
  finalState: string;
  metrics: string;
  /** Steps (number, loss, learning rate) and validations (epoch, scores) as text, in order. */
  lineage: string[];
  seconds: number;
}

/** A failed check: its name and what differs. A run without violations passes. */
export type Violation =
  `${'O1' | 'O2' | 'O3' | 'O4' | 'O5' | 'O6' | 'one trainer' | 'nothing lost' | 'report'}: ${string}`;

export interface RunToCheck {
  reference: Reference;
  folder: RunFolder;
  keepLast: number;
  /** Hashes the state in a checkpoint, without other parts of the file. */
  hashState: (path: string) => Promise<string>;
}

export async function checkFolder({ reference, folder, keepLast, hashState }: RunToCheck): Promise<Violation[]> {
  return [
    ...(await checkWeights(reference, folder, hashState)),
    ...checkMetrics(reference, folder),
    ...checkLineage(reference.lineage, formatLineage(folder)),
    ...checkLeftovers(folder),
    ...checkCheckpoints(folder, keepLast),
  ];
}

export async function readReference(
  folder: RunFolder,
  hashState: RunToCheck['hashState'],
  seconds: number,
): Promise<Reference> {
  const final = readManifests(folder.train.checkpoints)[0];
  if (final === undefined) throw new Error(`there is no checkpoint in ${folder.train.checkpoints}`);
  return {
    finalFile: final.file,
    finalState: await hashState(`${folder.train.checkpoints}/${final.file}`),
    metrics: normalizeMetrics(folder),
    lineage: formatLineage(folder),
    seconds,
  };
}

async function checkWeights(
  { finalFile, finalState }: Reference,
  { train }: RunFolder,
  hashState: RunToCheck['hashState'],
): Promise<Violation[]> {
  const final = readManifests(train.checkpoints)[0];
  if (final?.file !== finalFile) return [`O1: expected the final checkpoint to be ${finalFile}, got ${final?.file}`];
  const state = await hashState(`${train.checkpoints}/${final.file}`);
  return state === finalState
    ? []
    : [`O1: the final weights are ${state.slice(0, 12)}, not ${finalState.slice(0, 12)}`];
}

function checkMetrics({ metrics }: Reference, folder: RunFolder): Violation[] {
  const actual = normalizeMetrics(folder);
  return actual === metrics ? [] : [`O2: expected the metrics to be ${metrics}, got ${actual}`];
}

/** Removes the duration, and the hash of a file that contains a timestamp. */
function normalizeMetrics({ metrics }: RunFolder): string {
  if (!existsSync(metrics)) return 'none';
  const parsed = parseJson(readFileSync(metrics, 'utf8')) as Record<string, unknown>;
  return JSON.stringify({ ...parsed, seconds: 0, checkpointSha256: '' });
}

function formatLineage({ train }: RunFolder): string[] {
  return preservedLineage(readEvents(train.dir)).map(({ type, epoch, iteration, loss, lr, bbox, segm }) =>
    type === 'step'
      ? `step ${iteration} ${JSON.stringify({ loss, lr })}`
      : `validation ${epoch} ${JSON.stringify({ bbox, segm })}`,
  );
}

/** Checks that each step and validation occurs once, with the figures of the undisturbed run. */
export function checkLineage(expected: string[], got: string[]): Violation[] {
  const at = expected.findIndex((line, index) => line !== got[index]);
  if (at >= 0) return [`O3: expected "${expected[at]}" in place ${at + 1}, got "${got[at]}"`];
  return got.length === expected.length
    ? []
    : [`O3: there is more than ${expected.length} lines: "${got[expected.length]}"`];
}

export function checkLeftovers({ root, train, test }: RunFolder): Violation[] {
  const names = existsSync(root) ? readdirSync(root, { recursive: true }).map(String) : [];
  const temporary = names.filter((name) => /\.(part|tmp)$/.test(name));
  const watchers = [train.watcher, test.watcher].filter((path) => existsSync(path)).map((path) => relative(root, path));
  return [...temporary, ...watchers].map((name): Violation => `O4: ${name} was left behind`);
}

/**
 * Checks that every checkpoint is intact and that every acknowledged one exists, unless enough newer ones do. The newer
 * ones need no acknowledgment: a kill can come between writing a manifest and acknowledging it.
 */
export function checkCheckpoints({ train }: Pick<RunFolder, 'train'>, keepLast: number): Violation[] {
  const present = readManifests(train.checkpoints);
  const broken = present.filter(({ file, sha256 }) => hashFile(`${train.checkpoints}/${file}`) !== sha256);
  const intact = present.filter((manifest) => !broken.includes(manifest));
  const violations = broken.map(({ file }): Violation => `O6: ${file} is not what its manifest says`);
  for (const [file, { iteration = 0, sha256 }] of acknowledgedCheckpoints(readEvents(train.dir))) {
    const found = present.find((manifest) => manifest.file === file);
    const newer = intact.filter((manifest) => manifest.iteration > iteration).length;
    if (found !== undefined && found.sha256 !== sha256) violations.push(`O6: ${file} is not what was acknowledged`);
    if (found === undefined && newer < keepLast && !existsSync(`${train.quarantine}/${file}`)) {
      violations.push(`O6: ${file} was acknowledged and is gone, with ${newer} newer ones`);
    }
  }
  return violations;
}
