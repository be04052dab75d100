import { expect, test } from 'vitest';
import { presignGet } from '../../../../activities/shared/store/presign.ts';

test("a link is signed as AWS's own worked example is", () => {
  const link = presignGet({
    url: new URL('https://examplebucket.s3.amazonaws.com/test.txt'),
    region: 'us-east-1',
    key: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
    validSeconds: 86_400,
    now: new Date('2013-05-24T00:00:00.000Z'),
  });
  expect(new URL(link).searchParams.get('X-Amz-Signature')).toBe(
    'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  );
});

test('a link of temporary credentials names their session', () => {
  const link = presignGet({
    url: new URL('http://127.0.0.1:8333/bucket/a'),
    region: 'us-east-1',
    key: { accessKeyId: 'a', secretAccessKey: 'b', sessionToken: 'c/d=' },
    validSeconds: 60,
    now: new Date(0),
  });
  expect(new URL(link).searchParams.get('X-Amz-Security-Token')).toBe('c/d=');
  expect(link).not.toContain('secret');
});
