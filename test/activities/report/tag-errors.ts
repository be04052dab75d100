const voidTags = new Set(['meta', 'br', 'hr', 'link', 'input', 'img', 'wbr']);

/** Tags that were closed by another tag, or never. Enough of a parser for pages in which every "<" of the data is escaped. */
export function findTagErrors(page: string): string[] {
  const open: string[] = [];
  const errors: string[] = [];
  for (const [, slash, name = '', attributes = ''] of page.matchAll(/<(\/?)([a-zA-Z][\w-]*)((?:"[^"]*"|[^"<>])*)>/g)) {
    if (slash) {
      const expected = open.pop();
      if (expected !== name) errors.push(`</${name}> closes <${expected}>`);
    } else if (!attributes.endsWith('/') && !voidTags.has(name)) {
      open.push(name);
    }
  }
  const tags = page.match(/<(?!!doctype)/g)?.length ?? 0;
  const parsed = page.match(/<\/?[a-zA-Z][\w-]*(?:"[^"]*"|[^"<>])*>/g)?.length ?? 0;
  return [...errors, ...open.map((name) => `<${name}> is never closed`), ...(tags === parsed ? [] : ['a stray <'])];
}
