/** Explains failed runs in one form for terminal, pages and Temporal UI. */
import { errorCatalogue, nextStepMark } from '../../../configs/errors.ts';
import type { FailureExplanation, RunFailure } from '../../../configs/schema/index.ts';

/** The failure travels through the history, and the log has the rest. */
const limits = { causeCharacters: 1000, lineCharacters: 500, headlineCharacters: 200, evidenceLines: 30 } as const;

/** Explains an error by its code and message: the first line is the cause, and the remedy follows `Next:`. */
export function explainError(code: string, message: string): FailureExplanation {
  const end = message.lastIndexOf(nextStepMark);
  const [cause = '', ...evidence] = (end < 0 ? message : message.slice(0, end)).split('\n');
  const remedy = end < 0 ? catalogueRemedy(code) : message.slice(end + nextStepMark.length);
  return { class: null, cause, evidence, remedy, logTail: [] };
}

const catalogueRemedy = (code: string): string =>
  Object.hasOwn(errorCatalogue, code)
    ? errorCatalogue[code as keyof typeof errorCatalogue].nextStep // an own key
    : errorCatalogue.Unexpected.nextStep;

/** Shortens what would fill a history: a log line may have a megabyte. */
export function clipExplanation({ cause, evidence, logTail, ...rest }: FailureExplanation): FailureExplanation {
  const clip = (line: string) => clipText(line, limits.lineCharacters);
  return {
    ...rest,
    cause: clipText(cause, limits.causeCharacters),
    evidence: evidence.slice(0, limits.evidenceLines).map(clip),
    logTail: logTail.map(clip),
  };
}

const clipText = (text: string, characters: number): string =>
  text.length > characters ? `${text.slice(0, characters)}…` : text;

/** Returns the first line of a message; with the next one if it introduces a list. */
export function headline(message: string): string {
  const [first = '', second] = message.split('\n');
  const line = first.endsWith(':') && second !== undefined ? `${first} ${second.replace(/^- /, '')}` : first;
  return clipText(line, limits.headlineCharacters);
}

/** Formats an explanation as the message of an error, which `explainError` reads. */
export const formatMessage = ({ cause, evidence, logTail, remedy }: FailureExplanation): string =>
  `${[cause, ...evidence, ...logTail].join('\n')}${nextStepMark}${remedy}`;

/** Formats the code, class and stage: `OutOfGpuMemory (out-of-memory) while training`. */
export const formatFailureTitle = ({ code, class: name, stage }: RunFailure): string =>
  `${code}${name === null ? '' : ` (${name})`}${stage === null ? '' : ` while ${stage}`}`;

/** Formats the code and the cause on one line, for lists. */
export const formatFailureLine = ({ code, cause, evidence }: RunFailure): string =>
  `${code}: ${headline([cause, ...evidence].join('\n'))}`;

/** Part of an explanation. */
interface FailureRow {
  readonly title: 'Cause' | 'Evidence' | 'Next step';
  readonly lines: readonly string[];
  /** Lines of a log or a list, whose line breaks matter. */
  readonly isVerbatim: boolean;
}

/** Lists what a person reads about a failure, in this order. Leaves out what is unknown. */
export function listFailureRows({ cause, evidence, remedy }: RunFailure): FailureRow[] {
  const rows: FailureRow[] = [
    { title: 'Cause', lines: [cause], isVerbatim: false },
    { title: 'Evidence', lines: evidence, isVerbatim: true },
    { title: 'Next step', lines: remedy.split('\n'), isVerbatim: false },
  ];
  return rows.filter(({ lines }) => lines.some((line) => line !== ''));
}
