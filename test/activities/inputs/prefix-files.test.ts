import { expect, test } from 'vitest';
import { toPrefixFiles } from '../../../activities/inputs/prefix-files.ts';

const object = (name: string, bytes = 3, etag: string | null = '"1"') => ({
  key: `train/${name}`,
  bytes,
  etag,
  lastModified: '2026-11-26T00:00:00.000Z',
});
const convert = (...objects: ReturnType<typeof object>[]) => toPrefixFiles('s3://mine/train/', 'train/', objects);

test.each([
  ['../../etc/passwd', 'has ".." in its key: 1 object ("../../etc/passwd")'],
  ['a/..', 'has ".." in its key'],
  ['/etc/passwd', 'has an empty or "." part in its key'],
  ['a//b.jpg', 'has an empty or "." part in its key'],
  ['./b.jpg', 'has an empty or "." part in its key'],
  ['a\u0000b.jpg', 'has a control character in its key: 1 object ("a\\u0000b.jpg")'],
  ['a\u009bb.jpg', 'has a control character in its key: 1 object ("a\\u009bb.jpg")'],
  ['a\nb.jpg', 'has a control character in its key: 1 object ("a\\nb.jpg")'],
  ['..\\b.jpg', 'has a backslash in its key'],
  ['C:b.jpg', 'has a drive letter in its key'],
  ['folder/', 'ends with a slash but has content'],
  ['', 'ends with a slash but has content'],
  [`${'é'.repeat(128)}.jpg`, 'has a key that is too long'],
  [`${'long/'.repeat(205)}b.jpg`, 'has a key that is too long'],
])('toPrefixFiles rejects a key that no folder can hold: %j', (name, problem) => {
  expect(() => convert(object('good.jpg'), object(name))).toThrow(problem);
});

test('toPrefixFiles rejects keys that only some file systems can hold', () => {
  const conflict = 'differs from another key only in case or Unicode normalization: 1 object ("a.JPG")';
  expect(() => convert(object('A.jpg'), object('a.JPG'))).toThrow(conflict);
  expect(() => convert(object('caf\u00e9.jpg'), object('cafe\u0301.jpg'))).toThrow('Unicode normalization');
  expect(() => convert(object('a'), object('a/b/c.jpg'))).toThrow('uses the key of another object as its folder');
});

test('toPrefixFiles lists all problems at once, with the first keys of each kind', () => {
  const many = Array.from({ length: 7 }, (_, count) => object(`${count}/../x`));
  expect(() => convert(...many, object('a\\b'))).toThrow(
    /^Cannot pack s3:\/\/mine\/train\/: rename or remove these objects:\n- has "\.\." in its key: 7 objects \(.*"4\/\.\.\/x", …\)\n- has a backslash in its key: 1 object \("a\\\\b"\)\nNext: /,
  );
});

test('toPrefixFiles ignores dotfiles and the empty objects that represent folders', () => {
  const files = convert(
    object('', 0),
    object('sub/', 0),
    object('sub/.DS_Store'),
    object('.hidden/a.jpg'),
    object('sub/a.jpg'),
  );
  expect(files.map(({ name }) => name)).toEqual(['sub/a.jpg']);
  expect(() => convert(object('', 0), object('.DS_Store'))).toThrow('there are no objects under this prefix');
});

test('copyName depends on key, size and ETag, and on the time only without an ETag', () => {
  const copyNameOf = (...args: Parameters<typeof object>) => convert(object(...args))[0]?.copyName;
  const others = [copyNameOf('a', 3, '"2"'), copyNameOf('a', 4), copyNameOf('b'), copyNameOf('a', 3, null)];
  expect(new Set([copyNameOf('a'), ...others]).size).toBe(5);
  const later = convert({ ...object('a'), lastModified: '2027-01-01T00:00:00.000Z' })[0]?.copyName;
  expect(later).toBe(copyNameOf('a'));
  expect(copyNameOf('a')).toMatch(/^[0-9a-f]{64}$/);
});
