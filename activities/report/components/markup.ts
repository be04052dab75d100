/** HTML that is safe to print. Only the `markup` tag creates it, so embedded text is always escaped. */
export class Markup {
  readonly #html: string;

  constructor(template: TemplateStringsArray, embedded: readonly Embedded[]) {
    this.#html = template.reduce((html, text, index) => html + printEmbedded(embedded[index - 1] ?? '') + text);
  }

  toString(): string {
    return this.#html;
  }
}

type Embedded = string | number | Markup | readonly Embedded[];

export const markup = (template: TemplateStringsArray, ...embedded: Embedded[]): Markup =>
  new Markup(template, embedded);

function printEmbedded(value: Embedded): string {
  if (value instanceof Markup) return value.toString();
  if (typeof value === 'string') return escapeHtml(value);
  if (typeof value === 'number') return String(value);
  return value.map(printEmbedded).join('');
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

const escapeHtml = (text: string): string =>
  replaceControlCharacters(text).replace(/[&<>"'`]/g, (character) => entities[character] ?? '');

/** Replaces terminal escapes and bidirectional marks, which can disguise a text. */
export const replaceControlCharacters = (text: string): string =>
  text.replace(/(?![\n\t])\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
