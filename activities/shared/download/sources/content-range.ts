import type { RangeRequest } from './source.ts';

/** Parses Content-Range. Returns null unless the range starts as requested and does not exceed the request. */
export const parseContentRange = (
  header: string | undefined,
  { first, last }: Pick<RangeRequest, 'first' | 'last'>,
): { last: number; bytes: number | null } | null => {
  const [, from, to, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(header ?? '') ?? [];
  if (from === undefined || to === undefined || total === undefined) return null;
  const bytes = total === '*' ? null : Number(total);
  const end = Number(to);
  const isWrong = Number(from) !== first || end < first || (last !== null && end > last);
  if (isWrong || (bytes !== null && end >= bytes)) return null;
  return { last: end, bytes };
};
