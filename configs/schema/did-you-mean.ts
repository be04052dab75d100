import { distance } from 'fastest-levenshtein';

/** Many names contain a shorter text by accident. */
const shortestPart = 3;
const mostSuggestions = 3;

/**
 * Returns the known names that a user most likely meant. Ignores case and separators, so `batch_per_gpu` finds
 * `batchPerGpu`. A part of a name finds every name that contains it: `coco` finds `coco-2017` and `mini-coco`.
 */
function findSimilarNames(word: string, known: readonly string[]): string[] {
  const typed = simplifyName(word);
  const names = known.filter((name) => name !== word).map((name) => ({ name, simple: simplifyName(name) }));
  const ranked = names
    .map(({ name, simple }) => ({ name, edits: areSwapped(typed, simple) ? 1 : distance(typed, simple) }))
    .filter(({ edits }) => edits < typed.length && edits <= Math.max(1, Math.floor(typed.length / 3)))
    .sort((a, b) => a.edits - b.edits);
  const containing = typed.length < shortestPart ? [] : names.filter(({ simple }) => simple.includes(typed));
  const atEdge = containing.filter(({ simple }) => simple.startsWith(typed) || simple.endsWith(typed));
  const contained = names.filter(({ simple }) => simple.length >= shortestPart && typed.includes(simple));
  const groups = [ranked.slice(0, 1), atEdge, containing, contained].map((group) => group.map(({ name }) => name));
  return groups.find(({ length }) => length > 0 && length <= mostSuggestions) ?? [];
}

/** Returns whether two names differ only in the order of their letters. */
const areSwapped = (one: string, other: string): boolean => sortLetters(one) === sortLetters(other);
const sortLetters = (name: string): string => Array.from(name).sort().join('');

/** Returns the only name that a user can have meant, or undefined. */
export function findSimilar(word: string, known: readonly string[]): string | undefined {
  const names = findSimilarNames(word, known);
  return names.length === 1 ? names[0] : undefined;
}

/** Returns `: did you mean "coco-2017" or "mini-coco"?`, or an empty text. */
export function didYouMean(word: string, known: readonly string[]): string {
  const names = findSimilarNames(word, known).map((name) => `"${name}"`);
  return names.length === 0 ? '' : `: did you mean ${names.join(' or ')}?`;
}

/** Removes case and separators of a name. */
export const simplifyName = (name: string): string => name.toLowerCase().replace(/[\s_.-]/g, '');
