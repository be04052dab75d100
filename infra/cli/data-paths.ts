/** Resolves the paths of `data` and `weights` in a run file, as a shell would: from the folder of the file, with `~`. */
import { readdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import { isWeightsFile } from '../../configs/schema/weights-reference.ts';

const Fields = z.record(z.string(), z.unknown());
type Role = 'images' | 'annotations';

/**
 * Returns the input with absolute paths in `data` and `weights.detector`; a folder of images ends in `/`. Leaves everything else to the schema.
 * @param raw content of a run, sweep or retraining file.
 * @returns also the problems of paths that name something of the wrong kind. A path that does not exist here may exist
 * on the worker, so it is no problem.
 */
export async function resolveDataPaths(raw: unknown, file: string): Promise<{ input: unknown; problems: string[] }> {
  const problems: string[] = [];
  return { input: await resolveIn(raw, { folder: dirname(resolve(file)), problems }), problems };
}

interface Context {
  folder: string;
  problems: string[];
}

async function resolveIn(raw: unknown, context: Context, parent = ''): Promise<unknown> {
  const holder = Fields.safeParse(raw);
  if (!holder.success) return raw;
  const result = { ...holder.data };
  // A sweep holds its input in `base`, a retraining in `run`.
  for (const key of parent === '' ? ['base', 'run'] : [])
    if (key in result) result[key] = await resolveIn(result[key], context, `${key}.`);
  if (Array.isArray(result.variants))
    result.variants = await Promise.all(
      result.variants.map(async (variant: unknown, place) => {
        const fields = Fields.safeParse(variant);
        if (!fields.success || !('change' in fields.data)) return variant;
        return { ...fields.data, change: await resolveIn(fields.data.change, context, `variants[${place}].change.`) };
      }),
    );
  const weights = Fields.safeParse(result.weights);
  if (weights.success && isWeightsPath(weights.data.detector, result.catalog)) {
    const detector = resolveFrom(context, weights.data.detector, `${parent}weights.detector`);
    result.weights = { ...weights.data, detector };
  }
  const data = Fields.safeParse(result.data);
  if (!data.success) return result;
  const splits = { ...data.data };
  for (const split of ['train', 'val']) {
    const given = Fields.safeParse(splits[split]);
    if (!given.success) continue;
    const locations = { ...given.data };
    for (const role of ['images', 'annotations'] as const)
      if (role in locations)
        locations[role] = await resolvePath(locations[role], role, `${parent}data.${split}.${role}`, context);
    splits[split] = locations;
  }
  return { ...result, data: splits };
}

/** Returns whether the weights are a file, and not an entry of the catalog, a run, a model or an address. */
function isWeightsPath(given: unknown, catalog: unknown): given is string {
  if (typeof given !== 'string' || isReference.test(given)) return false;
  const own = z.object({ weights: Fields }).safeParse(catalog).data?.weights ?? {};
  return !Object.hasOwn(own, given) && (given.includes('/') || isWeightsFile(given) || given.startsWith('~'));
}

/** An address, and everything that the schema corrects to `run:NAME` or `model:NAME`. */
const isReference = /^\s*([a-z][a-z0-9+.-]*\s*:|(runs?|models?|trains?|evaluates?)\s*\/)/i;

/** Returns the absolute path of a text. The home of another user is a problem, and stays as it is. */
function resolveFrom({ folder, problems }: Context, given: string, field: string): string {
  const text = given.trim();
  if (/^~[^/]/.test(text)) {
    problems.push(`${field}: "${given}" is the home of another user; write its absolute path`);
    return given;
  }
  return resolve(folder, text.replace(/^~(?=\/|$)/, homedir()));
}

async function resolvePath(given: unknown, role: Role, field: string, context: Context): Promise<unknown> {
  if (typeof given !== 'string') return given;
  const text = given.trim();
  if (text === '' || /^[a-z][a-z0-9+.-]*:/i.test(text) || text.startsWith('$')) return given;
  const path = resolveFrom(context, given, field);
  if (!isAbsolute(path)) return given;
  const problem = await explainKind(path, role);
  if (problem !== null) context.problems.push(`${field}: ${path} ${problem}`);
  return role === 'images' && !/\.zip(\/|$)/i.test(path) ? `${path}/` : path;
}

/** Returns why the thing at a path does not fit; null if it does, or if it does not exist. */
async function explainKind(path: string, role: Role): Promise<string | null> {
  const stats = await stat(path).catch(() => undefined);
  if (stats === undefined) return null;
  const isZip = /\.zip$/i.test(path);
  if (stats.isDirectory()) {
    if (isZip) return 'is a folder whose name ends in .zip. Rename the folder';
    if (role === 'images') return null;
    const files = (await readdir(path)).filter((name) => /\.json$/i.test(name)).sort();
    const list =
      files.length === 0 ? 'It holds no JSON file' : `Name one of its files: ${files.slice(0, 5).join(', ')}`;
    return `is a folder; expected a JSON file. ${list}`;
  }
  if (role === 'images' && !isZip)
    return 'is a file; expected a folder or a zip file. Name the folder that holds the images';
  return null;
}
