import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import { ApplicationFailure, defaultPayloadConverter, type Payload } from '@temporalio/common';
import { DefaultLogger } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { encryptionVariables } from '../../configs/names.ts';
import { parseEncryptionKeys, readEncryptionKeys } from '../../workers/encryption-keys.ts';
import { trainerEnv } from '../../workers/env.ts';
import { hideErrorMessages } from '../../workers/hide-error-messages.ts';
import { createPayloadCodec } from '../../workers/payload-codec.ts';

const newKey = (): string => randomBytes(32).toString('base64');
const [first, second] = [newKey(), newKey()];
const codecOf = (text: string) => createPayloadCodec(parseEncryptionKeys(text, 'test'));
const secret = { who: 'the canary' };
const payloadOf = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);
const valuesOf = (payloads: Payload[]): unknown[] =>
  payloads.map((one): unknown => defaultPayloadConverter.fromPayload(one));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-keys-`);
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

test('the codec encrypts every payload, each time differently, and decrypts it', async () => {
  const codec = codecOf(`k1:${first}`);
  const values = [secret, undefined, new Uint8Array([1, 2]), '', null];
  const encrypted = await codec.encode([...values, secret].map(payloadOf));
  for (const { metadata, data } of encrypted) {
    expect(Object.entries(metadata ?? {}).map(([name, value]) => `${name}=${Buffer.from(value).toString()}`)).toEqual([
      'encoding=binary/encrypted',
      'encryption-key-id=k1',
    ]);
    expect(Buffer.from(data ?? []).toString('latin1')).not.toMatch(/canary|json/);
  }
  expect(encrypted[0]?.data).not.toEqual(encrypted.at(-1)?.data);
  expect(valuesOf(await codec.decode(encrypted))).toEqual([...values, secret]);
});

test('after a rotation the new key encrypts, and the old one still decrypts', async () => {
  const before = await codecOf(`k1:${first}`).encode([payloadOf(secret)]);
  const rotated = codecOf(`k2:${second},k1:${first}`);
  expect(valuesOf(await rotated.decode(before))).toEqual([secret]);
  const after = await rotated.encode([payloadOf(secret)]);
  expect(valuesOf(await codecOf(`k1:${first}\nk2:${second}`).decode(after))).toEqual([secret]);
  const refused = codecOf(`k1:${first}`).decode(after);
  await expect(refused).rejects.toMatchObject({ type: 'PayloadUnreadable', nonRetryable: false });
  await expect(refused).rejects.toThrow('encrypted with the key "k2", and this process has the keys k1 only');
});

test('payloads without encryption pass, and without keys nothing is encrypted', async () => {
  const plain = [payloadOf(secret)];
  expect(await codecOf(`k1:${first}`).decode(plain)).toEqual(plain);
  const keyless = createPayloadCodec(new Map());
  expect(await keyless.encode(plain)).toEqual(plain);
  const encrypted = await codecOf(`k1:${first}`).encode(plain);
  await expect(keyless.decode(encrypted)).rejects.toThrow('this process has no encryption key');
});

test('a payload that was changed or truncated, or has another key of the same id, is refused', async () => {
  const codec = codecOf(`k1:${first}`);
  const [encrypted = {}] = await codec.encode([payloadOf(secret)]);
  const data = Buffer.from(encrypted.data ?? []);
  const refusal = async (changed: Uint8Array | undefined, reader = codec) =>
    reader.decode([{ ...encrypted, data: changed ?? null }]).then(
      () => 'decrypted',
      (error: unknown) => String(error),
    );
  for (const position of [0, 12, data.length - 17, data.length - 1]) {
    const changed = Buffer.from(data);
    changed[position] = (changed[position] ?? 0) ^ 1;
    expect(await refusal(changed)).toContain('it was changed, or this process has another key with the id k1');
  }
  expect(await refusal(data.subarray(0, -1))).toContain('it was changed');
  expect(await refusal(data.subarray(0, 27))).toContain('it is truncated to 27 bytes');
  expect(await refusal(undefined)).toContain('it is truncated to 0 bytes');
  expect(await refusal(data, codecOf(`k1:${second}`))).toContain('another key with the id k1');
  const nameless = { ...encrypted, metadata: { encoding: Buffer.from('binary/encrypted') } };
  await expect(codec.decode([nameless])).rejects.toThrow('encrypted with the key ""');
});

test.each([
  ['', 'there is no key'],
  ['# k1:abc\n', 'there is no key'],
  [first, 'entry 1 does not begin with an id'],
  [`k1:${first},:${second}`, 'entry 2 does not begin with an id'],
  [`${second}:k1`, 'entry 1 does not begin with an id'],
  [`k1:${first} k1:${second}`, 'two entries have the id k1'],
  ['k1:', 'the key k1 has 0 bytes instead of 32'],
  [`k1:${randomBytes(16).toString('base64')}`, 'the key k1 has 16 bytes instead of 32'],
  [`k1:${randomBytes(32).toString('hex')}`, 'the key k1 has 48 bytes instead of 32'],
  [`k1:${first.slice(0, -1)}`, 'the key k1 is not valid base64'],
  ['k1:not a key', 'the key k1 is not valid base64'],
])('keys %j are refused without a word of them', (text, problem) => {
  const [message = ''] = /.*/s.exec(String(catchError(() => parseEncryptionKeys(text, 'SOURCE')))) ?? [];
  expect(message).toContain(`The encryption keys of SOURCE cannot be used: ${problem}`);
  expect(message).toContain('openssl rand -base64 32');
  for (const key of [first, second]) expect(message).not.toContain(key.slice(0, 8));
});

function catchError(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

test('keys come from the environment, a private file or a command, and print as nothing', async () => {
  const text = `# the keys of the lab\r\nk1:${first}\r\nk2:${second}\r\n`;
  const path = `${folder}/keys`;
  await writeFile(path, text, { mode: 0o600 });
  const sources = [
    [encryptionVariables.keys, `k1:${first}, k2:${second}`],
    [encryptionVariables.file, path],
    [encryptionVariables.command, JSON.stringify(['cat', path])],
  ] as const;
  for (const [name, value] of sources) {
    vi.stubEnv(name, value);
    const keys = readEncryptionKeys();
    expect([...keys.keys()]).toEqual(['k1', 'k2']);
    expect(inspect(keys, { depth: 9, showHidden: true }) + JSON.stringify([...keys])).not.toContain(first.slice(0, 8));
    expect(Object.values(trainerEnv()).join()).not.toContain(value);
    vi.unstubAllEnvs();
  }
  expect(readEncryptionKeys().size).toBe(0);
  vi.stubEnv(encryptionVariables.keys, `k1:${first}`);
  vi.stubEnv(encryptionVariables.file, path);
  expect(readEncryptionKeys).toThrow(
    'EVERSWIN_ENCRYPTION_KEYS and EVERSWIN_ENCRYPTION_KEYS_FILE cannot be used: only one',
  );
});

test('a key file that others may read is refused, and so is one that is missing or no file', async () => {
  const path = `${folder}/open`;
  await writeFile(path, `k1:${first}`);
  const refusal = (file: string) => {
    vi.stubEnv(encryptionVariables.file, file);
    return String(catchError(readEncryptionKeys));
  };
  for (const mode of [0o644, 0o640, 0o604, 0o620]) {
    await chmod(path, mode);
    expect(refusal(path)).toContain(`other users may read it (mode ${mode.toString(8)}): chmod 600 ${path}`);
  }
  expect(refusal(`${folder}/missing`)).toContain('it cannot be read (ENOENT)');
  expect(refusal(folder)).toContain('it is not a small regular file');
});

test.each([
  ['vault read keys', 'expected a JSON array of strings'],
  ['[]', 'expected a JSON array of strings'],
  ['["no-such-program"]', 'no-such-program failed (ENOENT)'],
  ['["sh","-c","echo k1:partial; exit 3"]', 'sh failed (exit code 3)'],
  ['["sh","-c","kill -9 $$"]', 'sh failed (killed by a signal)'],
  ['["yes"]', 'yes failed (ENOBUFS)'],
])('the key command %j is refused', (command, problem) => {
  vi.stubEnv(encryptionVariables.command, command);
  const message = inspect(catchError(readEncryptionKeys));
  expect(message).toContain(problem);
  expect(message).not.toMatch(/partial(?!;)/);
});

test('the log of a worker with keys shows codes and stack traces of errors, without their messages', () => {
  const lines: string[] = [];
  const logger = new DefaultLogger('INFO', ({ message, meta }) => lines.push(inspect({ message, meta })));
  hideErrorMessages(logger);
  const error: unknown = runInNewContext(
    'Object.assign(new Error("canary\\nof two lines"), { type: "DatasetInvalid" })',
  );
  logger.warn('Workflow failed', { error, taskQueue: 'everswin' });
  logger.error('Activity failed', { error: ApplicationFailure.retryable('the key "k9"', 'PayloadUnreadable') });
  expect(lines[0]).toMatch(/Workflow failed.*DatasetInvalid.* {4}at .*everswin/s);
  expect(lines[0]).not.toMatch(/canary|two lines/);
  expect(lines[1]).toContain('the key "k9"');
});
