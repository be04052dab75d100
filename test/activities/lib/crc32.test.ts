import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { crc32, crc32ByTable } from '../../../activities/lib/crc32.ts';

describe.each([
  ['of Node, where it has one', crc32],
  ['by table', crc32ByTable],
])('the CRC-32 %s', (_which, crcOf) => {
  it('gives the check value that every description of it names', () => {
    expect(crcOf(Buffer.from('123456789'), 0)).toBe(0xcbf43926);
  });

  it('goes on from an earlier part', () => {
    expect(crcOf(Buffer.from('6789'), crcOf(Buffer.from('12345'), 0))).toBe(0xcbf43926);
    expect(crcOf(Buffer.alloc(0), 0xcbf43926)).toBe(0xcbf43926);
  });
});

it('is the same both ways', () => {
  for (let size = 0; size < 200; size += 1) {
    const data = randomBytes(size);
    expect(crc32ByTable(data, 0)).toBe(crc32(data, 0));
  }
});
