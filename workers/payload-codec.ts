/** Encrypts everything that a person or an activity sends through Temporal: arguments, results, heartbeats and errors. */
import { webcrypto } from 'node:crypto';
import type { DataConverter, Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import { CodedError } from '../activities/shared/errors/coded-error.ts';
import { toFailure } from '../activities/shared/temporal/failure.ts';
import type { EncryptionKey, EncryptionKeys } from './encryption-keys.ts';

/** Format of Temporal's samples in all languages: nonce, ciphertext and tag in one field. */
const encoding = 'binary/encrypted';
const keyIdField = 'encryption-key-id';
const name = 'AES-GCM';
const nonceBytes = 12;
const tagBytes = 16;

const { Payload: PayloadMessage } = proto.temporal.api.common.v1;

/** Creates the data converter of clients and workers. Without keys, it still explains why it cannot read a payload. */
export const createDataConverter = (keys: EncryptionKeys = new Map()): DataConverter => ({
  payloadCodecs: [createPayloadCodec(keys)],
  ...(keys.size > 0 && { failureConverterPath: `${import.meta.dirname}/failure-converter.ts` }),
});

/** Creates a codec that encrypts with the first key. Payloads that are not encrypted pass, such as those of older runs. */
export function createPayloadCodec(keys: EncryptionKeys): PayloadCodec {
  const [first] = keys;
  return {
    encode: (payloads) =>
      Promise.all(payloads.map(async (one) => (first === undefined ? one : encrypt(one, ...first)))),
    decode: (payloads) => Promise.all(payloads.map(async (one) => (isEncrypted(one) ? decrypt(one, keys) : one))),
  };
}

const isEncrypted = (payload: Payload): boolean => readField(payload, 'encoding') === encoding;

const readField = ({ metadata }: Payload, field: string): string => Buffer.from(metadata?.[field] ?? []).toString();

async function encrypt(payload: Payload, id: string, key: EncryptionKey): Promise<Payload> {
  const iv = webcrypto.getRandomValues(new Uint8Array(nonceBytes));
  const encrypted = await webcrypto.subtle.encrypt({ name, iv }, key, PayloadMessage.encode(payload).finish());
  return {
    metadata: { encoding: Buffer.from(encoding), [keyIdField]: Buffer.from(id) },
    data: Buffer.concat([iv, new Uint8Array(encrypted)]),
  };
}

async function decrypt(payload: Payload, keys: EncryptionKeys): Promise<Payload> {
  const id = readField(payload, keyIdField);
  const key = keys.get(id);
  if (key === undefined) {
    const known = keys.size === 0 ? 'has no encryption key' : `has the keys ${[...keys.keys()].join(', ')} only`;
    throw unreadable(`it is encrypted with the key "${id.slice(0, 32)}", and this process ${known}`);
  }
  const data = payload.data ?? new Uint8Array();
  if (data.length < nonceBytes + tagBytes) throw unreadable(`it is truncated to ${data.length} bytes`);
  try {
    const iv = data.subarray(0, nonceBytes);
    const plain = await webcrypto.subtle.decrypt({ name, iv }, key, data.subarray(nonceBytes));
    return PayloadMessage.decode(new Uint8Array(plain));
  } catch {
    throw unreadable(`it was changed, or this process has another key with the id ${id}`);
  }
}

const unreadable = (problem: string): Error =>
  toFailure(new CodedError('PayloadUnreadable', `A payload in Temporal cannot be decrypted: ${problem}.`));
