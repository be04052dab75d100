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
const versionAliases = ['champion', 'candidate'] as const;

const expected =
  'an id of the catalog, `run:NAME`, `model:NAME`, `model:NAME/VERSION`, `model:NAME@candidate`, or a file as an absolute path';

/** `weights.detector` of an input. */
export const DetectorName = z
  .string()
  .max(4096)
  .refine((text) => parseDetectorName(text) !== undefined, {
    error: ({ input }) => `expected ${expected}, got "${String(input)}"`,
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
  const isAlias = versionAliases.some((alias) => alias === version);
  return isAlias || (mark === '/' && VersionId.safeParse(version).success)
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
