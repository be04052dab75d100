/** Names of detector weights in an input: an id of the catalog, or the result of an earlier training. */
import { z } from 'zod';
import { ModelName, VersionId } from './model-name.ts';
import { safeName } from './primitives.ts';

/** Weights that `weights.detector` names. */
export type DetectorReference =
  | { kind: 'catalog'; id: string }
  | { kind: 'run'; runId: string }
  | { kind: 'model'; model: string; version: string }
  | { kind: 'file'; url: string };

/** Versions of a model that have a name. */
const versionAliases = ['champion', 'candidate'];

/** Returns whether the name means another version after each decision. */
export const isVersionAlias = (version: string): boolean => versionAliases.includes(version);

const expected =
  'an id of the catalog, `run:NAME`, `model:NAME`, `model:NAME/VERSION`, `model:NAME@candidate`, or a file as an absolute path';

/** Returns whether a name has the ending of a file of weights. */
export const isWeightsFile = (name: string): boolean => /\.(pth|pt|bin|safetensors)$/i.test(name);

/** Names the valid form of a text that almost is one, or says what to do instead. */
function explain(text: string): string {
  const similar = text
    .trim()
    .replace(/^(runs?|trains?|evaluates?)\s*[:/]\s*/i, 'run:')
    .replace(/^models?\s*[:/]\s*/i, 'model:')
    .replace(/[@/](latest|best|current)$/i, '');
  const kind = parseDetectorName(similar)?.kind;
  if (similar !== text && kind !== undefined && kind !== 'file') return `: did you mean "${similar}"?`;
  if (/^(https?|s3):/i.test(text)) return '. Add an entry with this address to `catalog.weights`, and name its id here';
  return text.endsWith('/') ? '. This is a folder: name a file in it' : '';
}

/** `weights.detector` of an input. */
export const DetectorName = z
  .string()
  .max(4096)
  .refine((text) => parseDetectorName(text) !== undefined, {
    error: ({ input }) => `expected ${expected}, got "${String(input)}"${explain(String(input))}`,
    abort: true,
  })
  .describe(
    'Weights of a complete detector: an id of configs/catalog.json or of `catalog`, `run:NAME`, `model:NAME`, `model:NAME/VERSION`, `model:NAME@candidate`, or the absolute path of a file.',
  );

/** Parses `weights.detector`. @returns undefined for a text that names nothing. */
export function parseDetectorName(text: string): DetectorReference | undefined {
  if (/^(file:\/\/)?\/[^/]/.test(text)) return parseFile(text);
  const [, kind, name = '', mark, version] = /^(run|model):([^/@]*)(?:([/@])(.+))?$/.exec(text) ?? [];
  if (kind === undefined) return CatalogId.safeParse(text).success ? { kind: 'catalog', id: text } : undefined;
  if (kind === 'run')
    return mark === undefined && CatalogId.safeParse(name).success ? { kind, runId: name } : undefined;
  if (!ModelName.safeParse(name).success) return undefined;
  if (version === undefined) return { kind: 'model', model: name, version: 'champion' };
  return isVersionAlias(version) || (mark === '/' && VersionId.safeParse(version).success)
    ? { kind: 'model', model: name, version }
    : undefined;
}

const CatalogId = safeName('the detector weights');

function parseFile(text: string): DetectorReference | undefined {
  if (text.endsWith('/') || /\p{Cc}/u.test(text)) return undefined;
  const url = text.startsWith('file:') ? text : `file://${text.split('/').map(encodeURIComponent).join('/')}`;
  return URL.canParse(url) ? { kind: 'file', url } : undefined;
}

/** Returns whether weights are named by an id of the catalog. */
export const isCatalogId = (name: string): boolean => parseDetectorName(name)?.kind === 'catalog';
