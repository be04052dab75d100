import { distance } from 'fastest-levenshtein';

/**
 * Returns the known name that a user most likely meant, or undefined. Ignores case and separators, so `batch_per_gpu`
 * finds `batchPerGpu`.
 */
export function findSimilar(word: string, known: readonly string[]): string | undefined {
  const typed = simplifyName(word);
  const [nearest] = known
    .filter((name) => name !== word)
    .map((name) => ({ name, edits: distance(typed, simplifyName(name)) }))
    .sort((a, b) => a.edits - b.edits);
  if (nearest === undefined || nearest.edits >= typed.length) return undefined;
  return nearest.edits <= Math.max(1, Math.floor(typed.length / 3)) ? nearest.name : undefined;
}

/** Many names contain a shorter text by accident. */
const shortest = 3;
const mostSuggestions = 3;

/**
 * Returns `: did you mean "coco-2017"?`, or an empty text. A part of a name suggests every name that contains it, so
 * `coco` suggests `coco-2017` and `mini-coco`.
 */
export function didYouMean(word: string, known: readonly string[]): string {
  const typed = simplifyName(word);
  const containing = typed.length < shortest ? [] : known.filter((name) => simplifyName(name).includes(typed));
  const edge = containing.filter((name) => simplifyName(name).startsWith(typed) || simplifyName(name).endsWith(typed));
  const similar = findSimilar(word, known);
  const [suggestions = []] = [similar === undefined ? [] : [similar], edge, containing].filter(
    ({ length }) => length > 0 && length <= mostSuggestions,
  );
  return suggestions.length === 0 ? '' : `: did you mean ${suggestions.map((name) => `"${name}"`).join(' or ')}?`;
}

/** Removes case and separators of a name. */
export const simplifyName = (name: string): string => name.toLowerCase().replace(/[\s_.-]/g, '');
