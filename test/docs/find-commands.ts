/** Finds the commands that documentation and messages name. */

export interface NamedCommand {
  /** Command as written, on one line. */
  text: string;
  /** Set for commands in prose, which may omit arguments: `everswin retrain`. */
  isProse: boolean;
}

const programs = String.raw`(?:everswin|temporal|node|npm run|npm test)`;
const startOfCommand = new RegExp(String.raw`^(?:[A-Z_]+=\S+ +)*${programs}(?: |$)`);
/** Messages, titles and versions that begin with the name of a program and are no commands. */
const startOfText = /^(?:everswin (?:needs |installs |training report|comparison)|temporal version )/;

/** Finds the commands in the bash blocks and code spans of a Markdown page. */
export function findInMarkdown(page: string): NamedCommand[] {
  const fence = /^ *```(\w*)\n([\s\S]*?)^ *```$/gm;
  const scripts = [...page.matchAll(fence)].flatMap(([, language, script = '']) =>
    language === 'bash' ? [script] : [],
  );
  const spans = page.replace(fence, '').matchAll(/`((?:[^`\n]|\n(?!\n))+)`/g);
  return [
    ...scripts.flatMap(splitScript).map((text) => ({ text, isProse: false })),
    ...[...spans].map(([, text = '']) => ({ text: text.replace(/\s+/g, ' ').replaceAll('\\|', '|'), isProse: true })),
  ].filter(isCommand);
}

/** Finds the commands in the messages and comments of a source file: in backticks, in quotes or in `<code>`. */
export function findInSource(source: string): NamedCommand[] {
  const pattern = new RegExp(String.raw`(?:\`|'|<code>)(${programs} [^\n]*?)(?:\\?\`|'|</code>)`, 'g');
  return [...source.matchAll(pattern)]
    .map(([, text = '']) => ({ text: hideExpressions(text), isProse: true }))
    .filter(isCommand);
}

/** Replaces `${name}` by a placeholder. The text after an expression with strings of its own is unknown. */
const hideExpressions = (template: string): string =>
  template.replace(/\$\{[^}`']*\}/g, 'NAME').replace(/\$\{.*/, ' …');

/** Splits a shell script into commands without their comments. */
const splitScript = (script: string): string[] =>
  script
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => /^(?:'[^']*'|"[^"]*"|(?<=\S)#|[^'"#])*/.exec(line)?.[0] ?? '')
    .flatMap((line) => line.split(' && '))
    .map((command) => command.trim());

const isCommand = ({ text }: NamedCommand): boolean => startOfCommand.test(text) && !startOfText.test(text);
