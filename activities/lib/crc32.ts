import zlib from 'node:zlib';

type Crc32 = (data: Uint8Array, previous: number) => number;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

export const crc32ByTable: Crc32 = (data, previous) => {
  let crc = ~previous;
  for (const byte of data) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return ~crc >>> 0;
};

/** Node has its own, some ten times as fast, from 20.15 on. */
export const crc32: Crc32 = 'crc32' in zlib ? zlib.crc32 : crc32ByTable;
