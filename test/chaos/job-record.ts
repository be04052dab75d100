/** What a job left on disk, read without the code under test. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { z } from 'zod';

const Event = z.looseObject({
  type: z.string(),
  t: z.number(),
  epoch: z.number().optional(),
  iteration: z.number().optional(),
  file: z.string().optional(),
  sha256: z.string().optional(),
  fence: z.number().optional(),
});
export type Event = z.infer<typeof Event>;

const Manifest = z.looseObject({
  file: z.string(),
  sha256: z.string(),
  epoch: z.number(),
  iteration: z.number(),
});
export type Manifest = z.infer<typeof Manifest>;

/** Whole events, oldest first; torn lines are nobody's. */
export function readEvents(jobDir: string): Event[] {
  const path = `${jobDir}/progress.jsonl`;
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => Event.safeParse(parseJson(line)).data ?? []);
}

/** What counts in the end: a start takes back every step and validation after its iteration that came before it. */
export function preservedLineage(events: Event[]): Event[] {
  let kept: Event[] = [];
  for (const event of events) {
    if (event.type === 'started') kept = kept.filter(({ iteration = 0 }) => iteration <= (event.iteration ?? 0));
    if (event.type === 'step' || event.type === 'validation') kept.push(event);
  }
  return kept;
}

/** Checkpoints that were said to be safe, by file name: of two with one name the later one counts. */
export const acknowledgedCheckpoints = (events: Event[]): Map<string, Event> =>
  new Map(
    events.flatMap((event) => (event.type === 'checkpoint' && event.file !== undefined ? [[event.file, event]] : [])),
  );

/** Those of a folder of checkpoints, newest first. */
export function readManifests(folder: string): Manifest[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^e\d+-i\d+\.json$/.test(name))
    .flatMap((name) => Manifest.safeParse(parseJson(readFileSync(`${folder}/${name}`, 'utf8'))).data ?? [])
    .sort((a, b) => b.iteration - a.iteration || b.epoch - a.epoch);
}

/** Undefined for a file that is not there. */
export function hashFile(path: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return undefined;
  }
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
