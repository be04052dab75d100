import { ServiceError, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { CodedError } from '../../../activities/shared/errors/coded-error.ts';
import { toFailure } from '../../../activities/shared/temporal/failure.ts';
import { formatError } from '../../../infra/terminal/format-error.ts';

const wrapped = (cause: Error) => new WorkflowFailedError('Workflow execution failed', cause, 'NON_RETRYABLE_FAILURE');

test('formatError shows a failure of the catalogue with its next step and without its cause', () => {
  const cause = new Error("ENOENT: no such file or directory, scandir '/data/train/'");
  const failure = toFailure(new CodedError('DownloadRefused', '/data/train/ cannot be read (ENOENT).', { cause }));
  expect(formatError(wrapped(wrapped(failure)))).toMatch(/^\/data\/train\/ cannot be read \(ENOENT\)\.\nNext: /);
});

test('formatError shows the cause of a failure outside the catalogue', () => {
  const failure = ApplicationFailure.create({ type: 'Error', message: 'outer', cause: new Error('the reason') });
  expect(formatError(wrapped(failure))).toBe('the reason');
});

test('formatError shows the message of an error that Temporal did not wrap', () => {
  const cause = new Error('connect ECONNREFUSED 127.0.0.1:7233');
  expect(formatError(new Error('The Temporal server did not start.', { cause }))).toBe(
    'The Temporal server did not start.',
  );
});

test('formatError says in words that the server does not answer', () => {
  const details = 'Deadline exceeded after 9.9s';
  const cause = Object.assign(new Error(`4 DEADLINE_EXCEEDED: ${details}`), { code: 4, details, metadata: {} });
  const message = formatError(new ServiceError('Failed to describe workflow', { cause }));
  expect(message).toMatch(/^The Temporal server does not answer.* \(Deadline exceeded after 9\.9s\)\. Runs continue/);
});
