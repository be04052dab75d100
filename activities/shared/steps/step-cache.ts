import { mkdir, readdir } from 'node:fs/promises';
import type { z } from 'zod';
import { homeFolders } from '../../../configs/paths.ts';
import { StepRecord, type StepOutcome } from '../../../configs/schema/index.ts';
import { stepOutcome } from '../summary/step-outcome.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { contentKey } from './content-key.ts';
import { readJson } from '../files/json-file.ts';
import { writeFileAtomic } from '../files/atomic-file.ts';

export interface Step<T> {
  home: string;
  step: StepOutcome['step'];
  /** What the step is about, such as the id of a data set: the record of the same thing tells what changed. */
  subject: string;
  /** Everything that decides the result, by name: inputs, recipe text, code and tools. */
  fields: Record<string, string>;
  /** Do it anew, whatever there is. */
  fresh: boolean;
  output: z.ZodType<T>;
  /** Looks at what an earlier result says is there. @returns why it cannot be used; undefined when it is whole. */
  findDamage: (output: T) => Promise<string | undefined>;
  work: () => Promise<T>;
}

/** The result of a step: an earlier one when every field is the same and what it left is still whole, else a new one. */
export async function cachedStep<T>(step: Step<T>): Promise<{ output: T; outcome: StepOutcome }> {
  const records = await readRecords(step);
  const earlier = records.find(({ fields }) => contentKey(fields) === contentKey(step.fields));
  const output = step.output.safeParse(earlier?.output);
  const outcome = (hit: boolean, why: string) => stepOutcome(step.step, hit, why);
  let why = 'done anew, as asked for';
  if (!step.fresh) {
    if (earlier === undefined) why = explainMiss(step.fields, records);
    else if (!output.success) why = 'the record of the earlier result does not parse';
    else {
      const damage = await step.findDamage(output.data);
      if (damage === undefined) return { output: output.data, outcome: outcome(true, explainHit(earlier)) };
      why = `done before, but ${damage}`;
    }
  }
  const done = await step.work();
  await saveRecord(step, done);
  return { output: done, outcome: outcome(false, why) };
}

/** Says what differs from the most similar earlier result about the same thing. */
export function explainMiss(fields: Record<string, string>, records: readonly StepRecord[]): string {
  const nearest = records
    .map((one) => ({ changes: findChanges(one.fields, fields), doneAt: one.doneAt }))
    .sort((a, b) => a.changes.length - b.changes.length || b.doneAt - a.doneAt)[0];
  return nearest === undefined ? 'never done here before' : nearest.changes.join(', ');
}

function findChanges(before: Record<string, string>, now: Record<string, string>): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  return names
    .filter((name) => before[name] !== now[name])
    .map((name) => {
      if (before[name] === undefined) return `${name} is new`;
      if (now[name] === undefined) return `${name} is gone`;
      return `${name} changed (${abbreviate(before[name])} → ${abbreviate(now[name])})`;
    });
}

const explainHit = ({ fields, doneAt }: StepRecord): string =>
  `done on ${new Date(doneAt * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC, ` +
  `${Object.keys(fields).join(', ')} unchanged, its files looked at again`;

const abbreviate = (value: string): string => (/^[0-9a-f]{64}$/.test(value) ? value.slice(0, 12) : value.slice(0, 60));

async function readRecords({ home, step, subject }: Pick<Step<unknown>, 'home' | 'step' | 'subject'>) {
  const folder = `${homeFolders(home).steps}/${step}`;
  const files = (await ignoreMissing(readdir(folder))) ?? [];
  const records = await Promise.all(
    files.filter((file) => file.endsWith('.json')).map((file) => readJson(`${folder}/${file}`, StepRecord)),
  );
  return records.filter((one) => one?.subject === subject).filter((one) => one !== undefined);
}

async function saveRecord<T>({ home, step, subject, fields }: Step<T>, output: T): Promise<void> {
  const folder = `${homeFolders(home).steps}/${step}`;
  await mkdir(folder, { recursive: true });
  const done: StepRecord = { v: 1, step, subject, fields, output, doneAt: Date.now() / 1000 };
  await writeFileAtomic(`${folder}/${contentKey({ subject, fields })}.json`, JSON.stringify(done));
}
