/** Reads the files of a job without the code under test. */
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

/** Returns the complete events, oldest first, without torn lines. */
export function readEvents(jobDir: string): Event[] {
  const path = `${jobDir}/progress.jsonl`;
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => Event.safeParse(parseJson(line)).data ?? []);
}

/** Returns the steps and validations that count: a start discards earlier ones after its iteration. */
export function preservedLineage(events: Event[]): Event[] {
  let kept: Event[] = [];
  for (const event of events) {
    if (event.type === 'started') kept = kept.filter(({ iteration = 0 }) => iteration <= (event.iteration ?? 0));
    if (event.type === 'step' || event.type === 'validation') kept.push(event);
  }
  return kept;
}

/** Returns the acknowledged checkpoints by file name; the later of two with one name counts. */
export const acknowledgedCheckpoints = (events: Event[]): Map<string, Event> =>
  new Map(
    events.flatMap((event) => (event.type === 'checkpoint' && event.file !== undefined ? [[event.file, event]] : [])),
  );

/** Returns the manifests of a folder of checkpoints, newest first. */
export function readManifests(folder: string): Manifest[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^e\d+-i\d+\.json$/.test(name))
    .flatMap((name) => Manifest.safeParse(parseJson(readFileSync(`${folder}/${name}`, 'utf8'))).data ?? [])
    .sort((a, b) => b.iteration - a.iteration || b.epoch - a.epoch);
}

/** Returns undefined for a missing file. */
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
