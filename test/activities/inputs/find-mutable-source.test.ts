import { afterEach, beforeEach, expect, test } from 'vitest';
import { CodedError } from '../../../activities/shared/errors/coded-error.ts';
import { findMutableSource } from '../../../activities/inputs/find-mutable-source.ts';
import { createPreparationContext, type TestPreparationContext } from '../../helpers/preparation-context.ts';

let place: TestPreparationContext;
beforeEach(async () => {
  place = await createPreparationContext();
  place.context.policy = { ...place.context.policy, buckets: new Set(['mine']) };
});
afterEach(() => place.remove());

const fileAt = (...urls: string[]) => ({ file: 'mine', urls, bytes: null, sha256: null });
const sourceAt = (...urls: string[]) => findMutableSource(fileAt(...urls), place.context);

test('findMutableSource treats a URL that ends in a slash as a folder', () => {
  expect(sourceAt('file:///data/my%20images/')).toMatchObject({ displayName: '/data/my images/', isFolder: true });
  expect(sourceAt('file:///data/images.zip')).toMatchObject({ isFolder: false });
  expect(sourceAt('s3://mine/my%20images/')).toMatchObject({ displayName: 's3://mine/my%20images/', isFolder: true });
  expect(sourceAt('s3://mine/train.json', 's3://mine/older.json')).toMatchObject({ isFolder: false });
});

test('findMutableSource returns undefined for web servers, the embedded stack and files with a hash', () => {
  expect(sourceAt('https://example.com/images/', 's3://mine/images/')).toBeUndefined();
  expect(sourceAt('demo:images.zip')).toBeUndefined();
  const known = { ...fileAt('s3://mine/images.zip'), sha256: 'a'.repeat(64) };
  expect(findMutableSource(known, place.context)).toBeUndefined();
});

test('findMutableSource rejects a folder with a hash that the store does not hold', () => {
  const known = { ...fileAt('s3://mine/images/'), sha256: 'a'.repeat(64) };
  expect(() => findMutableSource(known, place.context)).toThrow(
    'the store contains no archive of it with the sha256 aaaa',
  );
});

test.each([
  ...['file://elsewhere/data/', 'file:///data%2Fimages/', 'file:///data%00/', 'file:///%zz/'],
  ...['s3://others/data/', 's3://mine/', 's3://mine/a/../../others/', 's3://mine/%2e%2e/others/', 's3://mine/a/?x=1'],
  ...['s3://key:secret@mine/data/', 's3://mine:9000/data/', 's3://mine/%zz/'],
])('findMutableSource rejects %s without a request', (url) => {
  expect(() => sourceAt(url)).toThrow(CodedError);
  expect(place.requests).toEqual([]);
});

test('findMutableSource rejects files and folders when the policy allows none', () => {
  place.context.policy = { ...place.context.policy, files: false };
  expect(() => sourceAt('file:///data/')).toThrow('which the plan does not allow');
});
