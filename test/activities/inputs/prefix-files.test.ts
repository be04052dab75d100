import { expect, test } from 'vitest';
import { toPrefixFiles } from '../../../activities/inputs/prefix-files.ts';

const seen = (name: string, bytes = 3, etag: string | null = '"1"') => ({
  key: `train/${name}`,
  bytes,
  etag,
  lastModified: '2026-11-26T00:00:00.000Z',
});
const filesOf = (...objects: ReturnType<typeof seen>[]) => toPrefixFiles('s3://mine/train/', 'train/', objects);

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
  ['folder/', 'is named like a folder, but has content'],
  ['', 'is named like a folder, but has content'],
  [`${'é'.repeat(128)}.jpg`, 'has too long a key'],
  [`${'long/'.repeat(205)}b.jpg`, 'has too long a key'],
])('a key that no folder could hold is refused before anything is fetched: %j', (name, problem) => {
  expect(() => filesOf(seen('good.jpg'), seen(name))).toThrow(problem);
});

test('keys that one disk would hold and another would not are refused', () => {
  const twin = 'differs from another key only in case or in how accents are written: 1 object ("a.JPG")';
  expect(() => filesOf(seen('A.jpg'), seen('a.JPG'))).toThrow(twin);
  expect(() => filesOf(seen('caf\u00e9.jpg'), seen('cafe\u0301.jpg'))).toThrow('in how accents are written');
  expect(() => filesOf(seen('a'), seen('a/b/c.jpg'))).toThrow('lies under a key that is an object itself');
});

test('all that is wrong is said at once, with the first few keys of each kind', () => {
  const many = Array.from({ length: 7 }, (_, count) => seen(`${count}/../x`));
  expect(() => filesOf(...many, seen('a\\b'))).toThrow(
    /^s3:\/\/mine\/train\/ cannot be packed: rename or remove these objects:\n- has "\.\." in its key: 7 objects \(.*"4\/\.\.\/x", …\)\n- has a backslash in its key: 1 object \("a\\\\b"\)\nNext: /,
  );
});

test('what begins with a dot and the empty objects that stand for folders are left out', () => {
  const files = filesOf(seen('', 0), seen('sub/', 0), seen('sub/.DS_Store'), seen('.hidden/a.jpg'), seen('sub/a.jpg'));
  expect(files.map(({ name }) => name)).toEqual(['sub/a.jpg']);
  expect(() => filesOf(seen('', 0), seen('.DS_Store'))).toThrow('there are no objects under it');
});

test('other content, another size and another key are another copy; the time counts only where there is no ETag', () => {
  const copyOf = (...of: Parameters<typeof seen>) => filesOf(seen(...of))[0]?.copyName;
  const others = [copyOf('a', 3, '"2"'), copyOf('a', 4), copyOf('b'), copyOf('a', 3, null)];
  expect(new Set([copyOf('a'), ...others]).size).toBe(5);
  const later = filesOf({ ...seen('a'), lastModified: '2027-01-01T00:00:00.000Z' })[0]?.copyName;
  expect(later).toBe(copyOf('a'));
  expect(copyOf('a')).toMatch(/^[0-9a-f]{64}$/);
});
