import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { ConnectionOptions, TLSConfig } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { addressPattern, expectedAddress, namespace as defaultNamespace } from '../configs/names.ts';
import { errorMessage, systemErrorCode } from '../activities/shared/errors/coded-error.ts';
import { readEncryptionKeys, type EncryptionKeys } from './encryption-keys.ts';
import { readEnv, readVariables } from './env.ts';

/** A Temporal server, and what a connection to it needs. */
export interface TemporalServer {
  /** `host:port` */
  address: string;
  namespace: string;
  /** Absent or false: a connection without TLS. */
  tls?: TLSConfig | boolean | undefined;
  apiKey?: string | undefined;
  /** Headers of every request. */
  metadata?: ConnectionOptions['metadata'];
  /** Keys of the payloads. */
  keys?: EncryptionKeys;
}

/** Returns whether a variable selects a server, so that the default profile of temporal.toml is not the only source. */
export function selectsServer(): boolean {
  const { TEMPORAL_ADDRESS, TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE } = readEnv();
  return [TEMPORAL_ADDRESS, TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE].some((value) => value !== undefined);
}

/** The settings of the environment and of temporal.toml, which may lack an address. */
export interface TemporalSettings extends Omit<TemporalServer, 'address'> {
  address: string | undefined;
  /** Where the address comes from. */
  source: 'TEMPORAL_ADDRESS' | 'temporal.toml';
}

/**
 * Reads Temporal's own environment configuration: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY,
 * TEMPORAL_TLS_… and the profiles of temporal.toml.
 * @throws Error that names the setting and never the value of a secret.
 */
export function readTemporalSettings(): TemporalSettings {
  const { TEMPORAL_ADDRESS, TEMPORAL_CONFIG_FILE } = readEnv();
  // The SDK ignores a configuration file that does not exist.
  if (TEMPORAL_CONFIG_FILE !== undefined && !existsSync(TEMPORAL_CONFIG_FILE))
    throw invalid(`the file of TEMPORAL_CONFIG_FILE does not exist: ${TEMPORAL_CONFIG_FILE}`);
  checkFiles();
  const { namespace = defaultNamespace, connectionOptions } = loadSettings();
  const { address, apiKey, tls, metadata } = connectionOptions;
  if (address !== undefined && !addressPattern.test(address))
    throw invalid(`the address is "${address}". ${expectedAddress}`);
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey))
    throw invalid('the API key holds a space, a line break or another character that no key has');
  if (typeof tls === 'object' && tls !== null) checkTls(tls);
  return {
    address,
    namespace,
    tls: tls ?? undefined,
    apiKey,
    metadata,
    keys: readEncryptionKeys(),
    source: TEMPORAL_ADDRESS === undefined ? 'temporal.toml' : 'TEMPORAL_ADDRESS',
  };
}

/** Reads the files of the variables, because the SDK does not say which variable names a file that it cannot read. */
function checkFiles(): void {
  for (const [variable, path] of Object.entries(readVariables())) {
    if (!/^TEMPORAL_TLS_\w+_PATH$/.test(variable)) continue;
    try {
      readFileSync(path);
    } catch (error) {
      throw invalid(
        `cannot read the file of ${variable}, ${path}: ${readProblems[systemErrorCode(error) ?? ''] ?? errorMessage(error)}`,
      );
    }
  }
}

const readProblems: Record<string, string> = {
  ENOENT: 'it does not exist',
  EISDIR: 'it is a folder',
  EACCES: 'this user has no permission',
};

function loadSettings(): ReturnType<typeof loadClientConnectConfig> {
  const overrideEnvVars = readVariables();
  try {
    return loadClientConnectConfig({ overrideEnvVars });
  } catch (error) {
    // The SDK fails so on a file without profiles, for example an empty one.
    if (error instanceof TypeError && overrideEnvVars['TEMPORAL_PROFILE'] === undefined)
      return loadClientConnectConfig({ overrideEnvVars, disableFile: true });
    // A syntax error quotes lines of the file, which may hold an API key; only its first line is free of them.
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw invalid(reason ?? '');
  }
}

const invalid = (problem: string): Error =>
  new Error(
    `The Temporal settings are invalid: ${problem}. Correct the variables TEMPORAL_… or temporal.toml (docs/how-to/deploy.md).`,
  );

/** Checks files whose faults a TLS library reports without naming them. */
function checkTls({ serverRootCACertificate: ca, clientCertPair }: TLSConfig): void {
  if (ca !== undefined) readCertificate(ca, 'the CA certificate of the server');
  const variables = readVariables();
  const isSet = (part: string) =>
    Object.keys(variables).some((name) => name.startsWith(`TEMPORAL_TLS_CLIENT_${part}_`));
  if (clientCertPair === undefined) {
    if (isSet('CERT') || isSet('KEY'))
      throw invalid('a client certificate needs both TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH');
    return;
  }
  const certificate = readCertificate(clientCertPair.crt, 'the client certificate');
  if (!certificate.checkPrivateKey(readKey(clientCertPair.key)))
    throw invalid('the client key does not belong to the client certificate');
}

function readCertificate(pem: Uint8Array, name: string): X509Certificate {
  const certificate = parsePem(pem, name, (text) => new X509Certificate(text));
  if (Buffer.from(pem).toString().split('BEGIN CERTIFICATE').length > 2) return certificate; // one of several may be old
  const { subject, validFrom, validTo } = certificate;
  const about = `${name} (${subject.replaceAll('\n', ', ')})`;
  if (Date.parse(validTo) < Date.now()) throw invalid(`${about} expired on ${validTo}`);
  if (Date.parse(validFrom) > Date.now())
    throw invalid(`${about} is valid only from ${validFrom}; the clock of this machine may be wrong`);
  return certificate;
}

const readKey = (pem: Uint8Array) => parsePem(pem, 'the client key', (text) => createPrivateKey(text));

function parsePem<T>(pem: Uint8Array, name: string, parse: (text: string) => T): T {
  try {
    return parse(Buffer.from(pem).toString()); // as text, because Node would accept the binary form as well
  } catch (error) {
    const isEncrypted =
      error instanceof Error && /passphrase|bad decrypt|interrupted or cancelled/i.test(error.message);
    throw invalid(isEncrypted ? `${name} is encrypted; decrypt it first` : `${name} is not a valid PEM file`);
  }
}

/**
 * Returns the server that the environment and temporal.toml name.
 * @throws Error if they name none.
 */
export function readServer(): TemporalServer {
  const { address, ...settings } = readTemporalSettings();
  if (address === undefined)
    throw new Error('Expected TEMPORAL_ADDRESS or temporal.toml to name the Temporal server, as HOST:PORT.');
  return { ...settings, address };
}

/** Formats how a connection is secured, for example `TLS with a client certificate`. */
export function formatSecurity({ tls, apiKey }: Pick<TemporalServer, 'tls' | 'apiKey'>): string {
  const hasCertificate = typeof tls === 'object' && tls.clientCertPair !== undefined;
  const mode = tls ? (hasCertificate ? 'TLS with a client certificate' : 'TLS') : 'no TLS';
  return apiKey === undefined ? mode : `${mode}, API key`;
}
