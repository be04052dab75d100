/** Judges a run by what it left, beside a run that nobody disturbed (O1 to O6 of the fault tests). */
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

/** What an uninterrupted run of the same plan came to. */
export interface Reference {
  /** Of the final checkpoint: its file name and what it holds. */
  finalFile: string;
  finalState: string;
  metrics: string;
  /** As text, in order: a step's number, loss and rate; a validation's epoch and scores. */
  lineage: string[];
  seconds: number;
}

/** What is wrong, by the name of the check; a run without any passed. */
export type Complaint =
  `${'O1' | 'O2' | 'O3' | 'O4' | 'O5' | 'O6' | 'one trainer' | 'nothing lost' | 'report'}: ${string}`;

export interface Judged {
  reference: Reference;
  folder: RunFolder;
  keepLast: number;
  /** Hash of what a checkpoint holds, whatever else its file says. */
  hashState: (path: string) => Promise<string>;
}

export async function judgeFolder({ reference, folder, keepLast, hashState }: Judged): Promise<Complaint[]> {
  return [
    ...(await judgeWeights(reference, folder, hashState)),
    ...judgeMetrics(reference, folder),
    ...judgeLineage(reference.lineage, describeLineage(folder)),
    ...judgeLeftovers(folder),
    ...judgeCheckpoints(folder, keepLast),
  ];
}

export async function describeOutcome(
  folder: RunFolder,
  hashState: Judged['hashState'],
  seconds: number,
): Promise<Reference> {
  const final = readManifests(folder.train.checkpoints)[0];
  if (final === undefined) throw new Error(`there is no checkpoint in ${folder.train.checkpoints}`);
  return {
    finalFile: final.file,
    finalState: await hashState(`${folder.train.checkpoints}/${final.file}`),
    metrics: describeMetrics(folder),
    lineage: describeLineage(folder),
    seconds,
  };
}

async function judgeWeights(
  { finalFile, finalState }: Reference,
  { train }: RunFolder,
  hashState: Judged['hashState'],
): Promise<Complaint[]> {
  const final = readManifests(train.checkpoints)[0];
  if (final?.file !== finalFile) return [`O1: expected the final checkpoint to be ${finalFile}, got ${final?.file}`];
  const state = await hashState(`${train.checkpoints}/${final.file}`);
  return state === finalState
    ? []
    : [`O1: the final weights are ${state.slice(0, 12)}, not ${finalState.slice(0, 12)}`];
}

function judgeMetrics({ metrics }: Reference, folder: RunFolder): Complaint[] {
  const ours = describeMetrics(folder);
  return ours === metrics ? [] : [`O2: expected the metrics to be ${metrics}, got ${ours}`];
}

/** Without the time it took, and without the hash of a file that tells when it was written. */
function describeMetrics({ metrics }: RunFolder): string {
  if (!existsSync(metrics)) return 'none';
  const said = parseJson(readFileSync(metrics, 'utf8')) as Record<string, unknown>;
  return JSON.stringify({ ...said, seconds: 0, checkpointSha256: '' });
}

function describeLineage({ train }: RunFolder): string[] {
  return preservedLineage(readEvents(train.dir)).map(({ type, epoch, iteration, loss, lr, bbox, segm }) =>
    type === 'step'
      ? `step ${iteration} ${JSON.stringify({ loss, lr })}`
      : `validation ${epoch} ${JSON.stringify({ bbox, segm })}`,
  );
}

/** Each step and each validation once, with the very figures of the uninterrupted run. */
export function judgeLineage(expected: string[], got: string[]): Complaint[] {
  const at = expected.findIndex((line, index) => line !== got[index]);
  if (at >= 0) return [`O3: expected "${expected[at]}" in place ${at + 1}, got "${got[at]}"`];
  return got.length === expected.length
    ? []
    : [`O3: there is more than ${expected.length} lines: "${got[expected.length]}"`];
}

export function judgeLeftovers({ root, train, test }: RunFolder): Complaint[] {
  const names = existsSync(root) ? readdirSync(root, { recursive: true }).map(String) : [];
  const temporary = names.filter((name) => /\.(part|tmp)$/.test(name));
  const watchers = [train.watcher, test.watcher].filter((path) => existsSync(path)).map((path) => relative(root, path));
  return [...temporary, ...watchers].map((name): Complaint => `O4: ${name} was left behind`);
}

/**
 * All that counts as a checkpoint is whole; what was said to be safe is there, or gave way to enough newer ones. Those
 * need not have been acknowledged: a kill may have come between a manifest and the word of it.
 */
export function judgeCheckpoints({ train }: Pick<RunFolder, 'train'>, keepLast: number): Complaint[] {
  const present = readManifests(train.checkpoints);
  const broken = present.filter(({ file, sha256 }) => hashFile(`${train.checkpoints}/${file}`) !== sha256);
  const whole = present.filter((manifest) => !broken.includes(manifest));
  const complaints = broken.map(({ file }): Complaint => `O6: ${file} is not what its manifest says`);
  for (const [file, { iteration = 0, sha256 }] of acknowledgedCheckpoints(readEvents(train.dir))) {
    const found = present.find((manifest) => manifest.file === file);
    const newer = whole.filter((manifest) => manifest.iteration > iteration).length;
    if (found !== undefined && found.sha256 !== sha256) complaints.push(`O6: ${file} is not what was acknowledged`);
    if (found === undefined && newer < keepLast && !existsSync(`${train.quarantine}/${file}`)) {
      complaints.push(`O6: ${file} was acknowledged and is gone, with ${newer} newer ones`);
    }
  }
  return complaints;
}
