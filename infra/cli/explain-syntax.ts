import { findSimilar } from '../../configs/schema/did-you-mean.ts';

/** Problem in the text of a JSON file. */
export interface SyntaxProblem {
  kind: 'comment' | 'trailing comma' | 'duplicate' | 'syntax';
  offset: number;
  /** What is wrong and what to write, without a full stop. */
  message: string;
}

interface SyntaxError {
  text: string;
  /** Name of the error in jsonc-parser. */
  code: string;
  offset: number;
  length: number;
  /** Offset of the innermost brace or bracket that is open. */
  opened: number | undefined;
}

const notJson5 = '. JSON5 and JSONC are not accepted';

/** Explains a syntax error of JSON by its likely cause, in words for a person who rarely writes JSON. */
export function explainSyntaxError(error: SyntaxError): SyntaxProblem {
  const { text, offset } = error;
  const before = text.slice(0, offset).trimEnd();
  const symbol = text.slice(offset, offset + error.length);
  const at = (message: string, place = offset, kind: SyntaxProblem['kind'] = 'syntax') => ({
    kind,
    offset: place,
    message,
  });
  const next = text.charAt(offset);
  if (isComment(error, symbol))
    return at(`JSON has no comments. Remove it, or use the field "note"${notJson5}`, offset, 'comment');
  if (/^\s*\[\w[\w.-]*\]\s*\n/.test(text)) return at(looksLikeToml);
  if (before === '') return at(explainStart(text.trim()));
  if (before.endsWith(',') && (next === '}' || next === ']'))
    return at(`remove the comma before ${next}${notJson5}`, before.length - 1, 'trailing comma');
  if (before.endsWith(',') && next === ',') return at('remove one of the two commas');
  if (/[{[]$/.test(before) && next === ',') return at('remove the comma');
  if (/\d,$/.test(before) && /\d/.test(next))
    return at('a number has no comma: write 1000, not 1,000', before.length - 1);
  const quote = explainQuote(symbol);
  if (quote !== undefined) return at(quote);
  const lastLine = before.split('\n').length;
  switch (error.code) {
    case 'CommaExpected':
      if (next === '}' || next === ']') return at(explainWrongBracket(next));
      if (/\d$/.test(before) && before.length === offset) return at('a number has no leading zeros');
      return text.slice(before.length, offset).includes('\n')
        ? at(`a comma is missing at the end of line ${lastLine}`, before.length)
        : at('a comma is missing before this place');
    case 'ColonExpected':
      return at('a colon is missing after the name of the field');
    case 'UnexpectedEndOfString':
      return at('the closing quote " is missing');
    case 'InvalidEscapeCharacter':
    case 'InvalidUnicode':
      return at('a backslash in text begins an escape. Write two, or use / in paths', offset + findBadEscape(symbol));
    case 'InvalidCharacter':
      return at('the text has a tab or another control character. Remove it, or write \\t');
    case 'UnexpectedEndOfNumber':
      return at('the number is not complete. Write it as 0.5 or 5');
    case 'CloseBraceExpected':
    case 'CloseBracketExpected':
      return at(explainEnd(error), before.length);
    case 'EndOfFileExpected':
      return at(text.trimStart().startsWith('{') ? explainRest(next) : 'the braces { } around the fields are missing');
    case 'InvalidSymbol':
      if (followsQuote(text, offset)) return at('a quote " is missing before this place');
      return at(explainSymbol(symbol, before));
    case 'PropertyNameExpected':
      return at('expected the name of a field in double quotes');
    default:
      return at(next === '' ? explainEnd(error) : 'a value is missing');
  }
}

const isComment = ({ code }: SyntaxError, symbol: string): boolean =>
  code === 'InvalidCommentToken' || code === 'UnexpectedEndOfComment' || symbol.startsWith('#');

const findBadEscape = (symbol: string): number => Math.max(0, symbol.search(/\\(?!["\\/]|[bf]|[nrt]|u[0-9a-fA-F]{4})/));

/** A word directly after a quote shows that an earlier text has no closing quote. */
const followsQuote = (text: string, offset: number): boolean =>
  text.charAt(offset - 1) === '"' && /[\w-]/.test(text.charAt(offset));

const looksLikeToml = 'this looks like TOML or Python. Expected a JSON object in braces';

function explainStart(text: string): string {
  if (text.startsWith('<')) return 'this is a web page or XML. Expected a JSON object in braces';
  if (/^(---|%YAML|- |[\w-]+ *:(\s|$))/.test(text)) return 'this looks like YAML. Expected a JSON object in braces';
  if (/^[\w-]+ *=/.test(text)) return looksLikeToml;
  return 'expected a JSON object in braces';
}

function explainQuote(symbol: string): string | undefined {
  if (symbol.startsWith("'") || symbol.startsWith('`'))
    return `text needs double quotes ", not ${symbol.charAt(0)}${notJson5}`;
  if (/^[\u2018-\u201f\u00ab\u00bb]/.test(symbol)) return `text needs straight quotes ", not ${symbol.charAt(0)}`;
  return undefined;
}

const explainWrongBracket = (found: string): string => `expected ${found === '}' ? ']' : '}'} before ${found}`;

function explainEnd({ text, opened }: SyntaxError): string {
  if (opened === undefined) return 'the file ends too early';
  const line = text.slice(0, opened).split('\n').length;
  const bracket = text.charAt(opened);
  return `the file ends, but the ${bracket} of line ${line} is not closed. Add ${bracket === '{' ? '}' : ']'}`;
}

const explainRest = (next: string): string =>
  next === '}' || next === ']' ? `there is one ${next} too many` : 'more text follows after the end of the object';

/** Values of Python, YAML and JavaScript, and what JSON has for them. */
const values: Record<string, string> = {
  true: 'write true',
  yes: 'write true',
  on: 'write true',
  false: 'write false',
  no: 'write false',
  off: 'write false',
  none: 'leave the field out, or write null',
  null: 'leave the field out, or write null',
  undefined: 'leave the field out, or write null',
  nan: 'write a number',
  infinity: 'write a number',
  inf: 'write a number',
};

function explainSymbol(symbol: string, before: string): string {
  if (symbol.startsWith('=')) return 'write : between a field and its value, not =';
  if (symbol.startsWith(';')) return 'write a comma, not ;';
  if (/^[\u00a0\u2000-\u200f\u202f\u2060\u3000\ufeff]/.test(symbol))
    return 'there is an invisible character (a no-break space or a similar one). Replace it with a space';
  if (/\d$/.test(before) && /^[_x\w]/.test(symbol)) return 'expected a number in digits, such as 1000 or 0.5';
  if (/^-(\D|$)/.test(symbol)) return 'expected a number';
  if (/^[+.]?\d|^[+-]\.?\d/.test(symbol)) return 'write the number as 5, -5 or 0.5';
  const isName = before.endsWith('{') || before.endsWith(',');
  const word = symbol.replace(/[^\w.-].*$/s, '');
  if (isName && word !== '') return `the name of a field needs double quotes: "${word}"${notJson5}`;
  const value = before.endsWith(':') || before.endsWith('[') ? values[word.toLowerCase()] : undefined;
  if (value !== undefined) return `JSON does not know ${word}: ${value}`;
  const similar = findSimilar(word, ['true', 'false', 'null']);
  if (similar !== undefined) return `JSON does not know ${word}: did you mean ${similar}?`;
  if (word !== '' && (before.endsWith(':') || before.endsWith('['))) return `text needs double quotes: "${word}"`;
  return `${symbol} is not expected here`;
}
