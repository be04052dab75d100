import { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { CodedError } from '../../../activities/shared/errors/coded-error.ts';
import { toFailure } from '../../../activities/shared/temporal/failure.ts';
import { formatError } from '../../../infra/terminal/format-error.ts';

const wrapped = (cause: unknown) => new Error('Workflow execution failed', { cause });

test('a failure of the catalogue is read with what to do next, whatever caused it', () => {
  const cause = new Error("ENOENT: no such file or directory, scandir '/data/train/'");
  const failure = toFailure(new CodedError('DownloadRefused', '/data/train/ cannot be read (ENOENT).', { cause }));
  expect(formatError(wrapped(wrapped(failure)))).toMatch(/^\/data\/train\/ cannot be read \(ENOENT\)\.\nNext: /);
});

test('of any other error the innermost cause is read', () => {
  const failure = ApplicationFailure.create({ type: 'Error', message: 'outer', cause: new Error('the reason') });
  expect(formatError(wrapped(failure))).toBe('the reason');
});
