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
  /** Subject of the step, such as a data set id. A cache miss is explained by the records of the same subject. */
  subject: string;
  /** All inputs that determine the result, by name: files, recipe text, code and tools. */
  fields: Record<string, string>;
  /** Ignores earlier results. */
  fresh: boolean;
  output: z.ZodType<T>;
  /** Verifies the files of an earlier result. Returns what is damaged, or undefined. */
  findDamage: (output: T) => Promise<string | undefined>;
  work: () => Promise<T>;
}

/** Returns the cached result of a step if all fields are equal and its files are intact; runs the step otherwise. */
export async function cachedStep<T>(step: Step<T>): Promise<{ output: T; outcome: StepOutcome }> {
  const records = await readRecords(step);
  const earlier = records.find(({ fields }) => contentKey(fields) === contentKey(step.fields));
  const output = step.output.safeParse(earlier?.output);
  const outcome = (hit: boolean, why: string) => stepOutcome(step.step, hit, why);
  let why = 'rebuild requested';
  if (!step.fresh) {
    if (earlier === undefined) why = explainMiss(step.fields, records);
    else if (!output.success) why = 'the record of the earlier result is invalid';
    else {
      const damage = await step.findDamage(output.data);
      if (damage === undefined) return { output: output.data, outcome: outcome(true, explainHit(earlier)) };
      why = `the earlier result is damaged: ${damage}`;
    }
  }
  const result = await step.work();
  await saveRecord(step, result);
  return { output: result, outcome: outcome(false, why) };
}

/** Lists the fields that differ from the most similar earlier result of the same subject. */
function explainMiss(fields: Record<string, string>, records: readonly StepRecord[]): string {
  const nearest = records
    .map((record) => ({ changes: findChanges(record.fields, fields), doneAt: record.doneAt }))
    .sort((a, b) => a.changes.length - b.changes.length || b.doneAt - a.doneAt)[0];
  return nearest === undefined ? 'building' : nearest.changes.join(', ');
}

function findChanges(before: Record<string, string>, now: Record<string, string>): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  return names
    .filter((name) => before[name] !== now[name])
    .map((name) => {
      if (before[name] === undefined) return `${name} was added`;
      if (now[name] === undefined) return `${name} was removed`;
      return `${name} changed (${abbreviate(before[name])} → ${abbreviate(now[name])})`;
    });
}

const explainHit = ({ fields, doneAt }: StepRecord): string =>
  `built on ${new Date(doneAt * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC, ` +
  `${nameSome(Object.keys(fields))} unchanged, files verified`;

/** Names two fields and counts the others: a recipe has one for each of its files. */
const nameSome = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(', ') : `${names.slice(0, 2).join(', ')}, and ${names.length - 2} more`;

const abbreviate = (value: string): string => (/^[0-9a-f]{64}$/.test(value) ? value.slice(0, 12) : value.slice(0, 60));

async function readRecords({ home, step, subject }: Pick<Step<unknown>, 'home' | 'step' | 'subject'>) {
  const folder = `${homeFolders(home).steps}/${step}`;
  const files = (await ignoreMissing(readdir(folder))) ?? [];
  const records = await Promise.all(
    files.filter((file) => file.endsWith('.json')).map((file) => readJson(`${folder}/${file}`, StepRecord)),
  );
  return records.filter((record) => record?.subject === subject).filter((record) => record !== undefined);
}

async function saveRecord<T>({ home, step, subject, fields }: Step<T>, output: T): Promise<void> {
  const folder = `${homeFolders(home).steps}/${step}`;
  await mkdir(folder, { recursive: true });
  const entry: StepRecord = { v: 1, step, subject, fields, output, doneAt: Date.now() / 1000 };
  await writeFileAtomic(`${folder}/${contentKey({ subject, fields })}.json`, JSON.stringify(entry));
}
