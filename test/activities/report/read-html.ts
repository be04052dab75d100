/** Minimal HTML parser that separates text from tags in generated pages. */

interface Skeleton {
  /** Every tag with the names of its attributes, in order: what data must not change. */
  readonly tags: readonly string[];
  /** Text between tags and values of attributes, with entities resolved. */
  readonly texts: readonly string[];
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#96': '`' };
const resolve = (text: string): string =>
  text.replace(/&(\w+|#\d+);/g, (whole, name: string) => entities[name] ?? whole);

/** Skips style and script, which contain no data. */
export function readHtml(page: string): Skeleton {
  const tags: string[] = [];
  const texts: string[] = [];
  const body = page.replace(/<(style|script)>[^]*?<\/\1>/g, '<$1></$1>');
  let end = 0;
  for (const tag of body.matchAll(/<(\/?[a-zA-Z!][\w-]*)((?:\s+[\w:-]+(?:="[^"]*")?)*)\s*\/?>/g)) {
    texts.push(resolve(body.slice(end, tag.index)));
    end = tag.index + tag[0].length;
    const attributes = [...(tag[2] ?? '').matchAll(/([\w:-]+)(?:="([^"]*)")?/g)];
    tags.push([tag[1], ...attributes.map(([, name]) => name)].join(' '));
    texts.push(...attributes.flatMap(([, , value]) => (value === undefined ? [] : resolve(value))));
  }
  texts.push(resolve(body.slice(end)));
  return { tags, texts };
}
