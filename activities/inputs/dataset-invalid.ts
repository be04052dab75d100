import { CodedError } from '../shared/errors/coded-error.ts';

/** Creates an error that lists each problem on its own line. */
export const datasetInvalid = (summary: string, problems: readonly string[]): CodedError =>
  new CodedError('DatasetInvalid', `${summary}:\n${problems.map((problem) => `- ${problem}`).join('\n')}`);
