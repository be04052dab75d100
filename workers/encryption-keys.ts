/** Reads the keys with which payloads are encrypted. */
import { execFileSync } from 'node:child_process';
import { createSecretKey, type webcrypto } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { systemErrorCode } from '../activities/shared/errors/coded-error.ts';
import { encryptionVariables } from '../configs/names.ts';
import { readVariables } from './env.ts';

/** A key that cannot be exported, so no log and no error message shows its bytes. */
export type EncryptionKey = webcrypto.CryptoKey;

/** Keys by id: the first encrypts, all decrypt. Without any, payloads stay readable. */
export type EncryptionKeys = ReadonlyMap<string, EncryptionKey>;

const keyBytes = 32;
const maxBytes = 65_536;
const commandTimeoutMs = 60_000;
/** Too short for a key, so that a message that names an id never shows a key. */
const idPattern = /^[\w.-]{1,32}$/;

const argvSchema = z.tuple([z.string().min(1)], z.string());

/**
 * Reads the keys from the environment, a file or the output of a command.
 * @throws Error that names the source and never a key.
 */
export function readEncryptionKeys(): EncryptionKeys {
  const variables = readVariables();
  const set = Object.values(encryptionVariables).filter((name) => name in variables);
  const [source] = set;
  if (source === undefined) return new Map();
  if (set.length > 1) throw invalid(set.join(' and '), 'only one of them may be set');
  const value = variables[source] ?? '';
  switch (source) {
    case encryptionVariables.keys:
      return parseEncryptionKeys(value, source);
    case encryptionVariables.file:
      return parseEncryptionKeys(readPrivateFile(value), `${source} (${value})`);
    case encryptionVariables.command:
      return parseEncryptionKeys(runKeyCommand(value), source);
    default:
      return source satisfies never;
  }
}

/** Parses `ID:KEY` entries, separated by commas or white space. In a file, lines that begin with # are comments. */
export function parseEncryptionKeys(text: string, source: string): EncryptionKeys {
  const entries = text.replaceAll(/^\s*#.*$/gm, '').split(/[\s,]+/);
  const keys = new Map<string, EncryptionKey>();
  for (const [index, entry] of entries.filter((part) => part !== '').entries()) {
    const colon = entry.indexOf(':');
    const id = entry.slice(0, colon);
    if (colon < 0 || !idPattern.test(id))
      throw invalid(source, `entry ${index + 1} does not begin with an id of at most 32 letters, digits, . _ or -`);
    if (keys.has(id)) throw invalid(source, `two entries have the id ${id}`);
    keys.set(id, parseKey(entry.slice(colon + 1), id, source));
  }
  if (keys.size === 0) throw invalid(source, 'there is no key');
  return keys;
}

function parseKey(text: string, id: string, source: string): EncryptionKey {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw invalid(source, `the key ${id} is not valid base64`);
  if (bytes.length !== keyBytes)
    throw invalid(source, `the key ${id} has ${bytes.length} bytes instead of ${keyBytes}`);
  return createSecretKey(bytes).toCryptoKey('AES-GCM', false, ['encrypt', 'decrypt']);
}

/** @throws Error if users other than the owner may read the file. */
function readPrivateFile(path: string): string {
  const source = `${encryptionVariables.file} (${path})`;
  try {
    // A named pipe would block without O_NONBLOCK.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(file);
      if (!stat.isFile() || stat.size > maxBytes) throw invalid(source, 'it is not a small regular file');
      const mode = stat.mode & 0o777;
      if ((mode & 0o077) !== 0)
        throw invalid(source, `other users may read it (mode ${mode.toString(8)}): chmod 600 ${path}`);
      return readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const code = systemErrorCode(error);
    throw code === undefined ? error : invalid(source, `it cannot be read (${code})`);
  }
}

/** Runs a program, for example that of a key management service, without a shell. Its stderr stays visible. */
function runKeyCommand(json: string): string {
  const argv = argvSchema.safeParse(parseJson(json)).data;
  if (argv === undefined)
    throw invalid(
      encryptionVariables.command,
      'expected a JSON array of strings, such as ["vault","kv","get","-field=keys","secret/everswin"]',
    );
  const [program, ...args] = argv;
  try {
    return execFileSync(program, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      maxBuffer: maxBytes,
      timeout: commandTimeoutMs,
      killSignal: 'SIGKILL',
    });
  } catch (error) {
    // Not as a cause: the error of Node holds the output, which may contain keys.
    throw invalid(encryptionVariables.command, `${program} failed (${formatExit(error)})`);
  }
}

function formatExit(error: unknown): string {
  const code = systemErrorCode(error);
  if (code !== undefined) return code === 'ETIMEDOUT' ? `no output within ${commandTimeoutMs / 1000} s` : code;
  const { status } = z.object({ status: z.number() }).catch({ status: -1 }).parse(error);
  return status < 0 ? 'killed by a signal' : `exit code ${status}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const invalid = (source: string, problem: string): Error =>
  new Error(
    `The encryption keys of ${source} cannot be used: ${problem}. Expected ID:KEY entries with 32 random bytes in base64; create one: echo "k1:$(openssl rand -base64 32)" (docs/how-to/encrypt.md).`,
  );
