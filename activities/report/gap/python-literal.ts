/** A value as a flattened recipe writes it: literals only. Tuples are lists. */
type Literal = string | number | boolean | null | readonly Literal[] | { readonly [key: string]: Literal };

/**
 * The assignments of a flattened recipe, `name = literal` each, as MMEngine prints them.
 * @returns undefined where the text is anything else: whoever reads it goes without.
 */
export function parseAssignments(text: string): Readonly<Record<string, Literal>> | undefined {
  const reader = new Reader(text);
  const found: [string, Literal][] = [];
  try {
    while (!reader.isAtEnd()) {
      const name = reader.take(/[A-Za-z_]\w*/y);
      reader.take(/=/y);
      found.push([name, reader.value(0)]);
    }
  } catch (error) {
    if (error instanceof NotLiteral) return undefined;
    throw error;
  }
  return Object.fromEntries(found);
}

class NotLiteral extends Error {}

const words: Record<string, Literal> = { True: true, False: false, None: null };
const escapes: Record<string, string> = { n: '\n', t: '\t', r: '\r' };
/** Deeper than any recipe, and far from the end of the stack. */
const maxDepth = 64;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  isAtEnd(): boolean {
    this.#accept(/(?:\s|#.*)*/y);
    return this.#at === this.#text.length;
  }

  take(token: RegExp): string {
    const found = this.#next(token);
    if (found === undefined) throw new NotLiteral(`at ${this.#at}`);
    return found;
  }

  value(depth: number): Literal {
    if (depth > maxDepth) throw new NotLiteral('too deep');
    if (this.#next(/\{/y) !== undefined) return Object.fromEntries(this.#until(/\}/y, () => this.#entry(depth)));
    if (this.#next(/\[/y) !== undefined) return this.#until(/\]/y, () => this.value(depth + 1));
    if (this.#next(/\(/y) !== undefined) return this.#until(/\)/y, () => this.value(depth + 1));
    const number = this.#next(/[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?![\w.])/iy);
    if (number !== undefined) return Number(number);
    const word = this.#next(/True\b|False\b|None\b/y);
    return word === undefined ? this.#string() : (words[word] ?? null);
  }

  #entry(depth: number): [string, Literal] {
    const key = this.value(depth + 1);
    this.take(/:/y);
    return [typeof key === 'string' ? key : JSON.stringify(key), this.value(depth + 1)];
  }

  #until<T>(end: RegExp, one: () => T): T[] {
    const all: T[] = [];
    while (this.#next(end) === undefined) {
      all.push(one());
      if (this.#next(/,/y) !== undefined) continue;
      this.take(end);
      break;
    }
    return all;
  }

  /** Python joins strings that stand side by side. */
  #string(): string {
    let text = '';
    let part: string | undefined = this.take(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/y);
    while (part !== undefined) {
      text += part.slice(1, -1).replace(/\\(.)/g, (_, sign: string) => escapes[sign] ?? sign);
      part = this.#next(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/y);
    }
    return text;
  }

  #next(token: RegExp): string | undefined {
    this.#accept(/(?:\s|#.*)*/y);
    return this.#accept(token);
  }

  #accept(token: RegExp): string | undefined {
    token.lastIndex = this.#at;
    const [found] = token.exec(this.#text) ?? [];
    if (found !== undefined) this.#at += found.length;
    return found;
  }
}
