import { CodedError } from '../shared/errors/coded-error.ts';

/** Every problem that the trainer found, each on a line of its own. */
export const datasetInvalid = (what: string, problems: readonly string[]): CodedError =>
  new CodedError('DatasetInvalid', `${what}:\n${problems.map((one) => `- ${one}`).join('\n')}`);
