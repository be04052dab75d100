import { expect, test } from 'vitest';
import { CodedError } from '../../../../activities/lib/failures/coded-error.ts';
import { localSource } from '../../../../activities/lib/obtain/local-source.ts';

const policy = { hosts: new Set<string>(), loopback: new Set<string>(), buckets: new Set<string>(), files: true };

test('a folder of the worker is one by the slash at its end', () => {
  expect(localSource('file:///data/my%20images/', policy)).toMatchObject({ path: '/data/my images/', isFolder: true });
  expect(localSource('file:///data/images.zip', policy)).toMatchObject({ isFolder: false });
  expect(localSource('https://example.com/images/', policy)).toBeUndefined();
});

test.each(['file://elsewhere/data/', 'file:///data%2Fimages/', 'file:///data%00/', 'file:///%zz/'])(
  'what names no file of this machine is refused: %s',
  (url) => {
    expect(() => localSource(url, policy)).toThrow(CodedError);
  },
);

test('no file or folder is read when files are not allowed', () => {
  const closed = { ...policy, files: false };
  expect(() => localSource('file:///data/', closed)).toThrow('which the plan does not allow');
});
