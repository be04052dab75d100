import { randomUUID } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { connect, connectWorker } from '../../workers/connect.ts';
import { formatSecurity, readServer } from '../../workers/temporal-server.ts';
import { startKeyProxy } from '../fixtures/key-proxy.ts';
import { listenOn } from '../fixtures/listen-on.ts';
import { startTlsProxy, tlsFile } from '../fixtures/tls-proxy.ts';
import '../helpers/quiet-runtime.ts';
import { temporalAddress } from '../helpers/temporal-address.ts';

const target = temporalAddress();
let mutualTls: Awaited<ReturnType<typeof startTlsProxy>>;

beforeAll(async () => {
  mutualTls = await startTlsProxy(target, { clientCa: 'ca' });
});
afterAll(() => mutualTls.close());
afterEach(() => vi.unstubAllEnvs());

/** Sets the variables as a user does, without those of this process and without a temporal.toml. */
function configure(variables: Record<string, string>): void {
  for (const name of Object.keys(process.env)) if (name.startsWith('TEMPORAL_')) vi.stubEnv(name, '');
  vi.stubEnv('XDG_CONFIG_HOME', '/nowhere');
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(`TEMPORAL_${name}`, value);
}

const serverCa = { TLS_SERVER_CA_CERT_PATH: tlsFile('ca.pem') };
const clientCertificate = (name: string) => ({
  TLS_CLIENT_CERT_PATH: tlsFile(`${name}.pem`),
  TLS_CLIENT_KEY_PATH: tlsFile(`${name}.key`),
});

/** Connects as a command and as a worker do. @returns the message of the error, which must be the same. */
async function refusal(): Promise<string> {
  const settle = async (connecting: Promise<unknown>) =>
    connecting.then(
      () => 'connected',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
  const server = readServer();
  const [command, worker] = [await settle(connect(server)), await settle(connectWorker(server))];
  expect(worker).toBe(command);
  return command;
}

test('commands and workers connect with a client certificate to a server that demands one', async () => {
  configure({ ADDRESS: mutualTls.address, ...serverCa, ...clientCertificate('client') });
  const server = readServer();
  expect(formatSecurity(server)).toBe('TLS with a client certificate');
  const client = await connect(server);
  const { namespaceInfo } = await client.workflowService.describeNamespace({ namespace: 'default' });
  expect(namespaceInfo?.name).toBe('default');
  await client.connection.close();
  await (await connectWorker(server)).close();
});

test.each([
  ['no client certificate', serverCa, 'the server demands a client certificate, and the client has none'],
  [
    'a foreign client certificate',
    { ...serverCa, ...clientCertificate('client-foreign') },
    'It rejects the client certificate',
  ],
  [
    'the wrong CA',
    { TLS_SERVER_CA_CERT_PATH: tlsFile('foreign-ca.pem'), ...clientCertificate('client') },
    'the certificate of the server is signed by no CA of TEMPORAL_TLS_SERVER_CA_CERT_PATH',
  ],
  [
    'no CA',
    { TLS: 'true', ...clientCertificate('client') },
    'the certificate of the server is signed by no CA of this system',
  ],
  ['no TLS', {}, 'the server speaks TLS, the client does not'],
])('a connection with %s says so', async (_, variables, cause) => {
  configure({ ADDRESS: mutualTls.address, ...variables });
  const message = await refusal();
  const security = formatSecurity(readServer());
  expect(message).toContain(`Cannot connect to Temporal at ${mutualTls.address}, namespace default, ${security}: `);
  expect(message).toContain(cause);
});

test.each([
  ['server-expired', {}, 'the certificate of the server is not valid now (CERT_HAS_EXPIRED)'],
  ['server-named', {}, 'the certificate of the server is not for 127.0.0.1'],
  ['server-named', { TLS_SERVER_NAME: 'temporal.lab' }, 'connected'],
  ['server-named', { TLS_SERVER_NAME: 'other.lab' }, 'the certificate of the server is not for other.lab'],
] as const)('a server with the certificate %s and %j: %s', async (certificate, variables, cause) => {
  const proxy = await startTlsProxy(target, { certificate });
  configure({ ADDRESS: proxy.address, ...serverCa, ...variables });
  expect(await refusal()).toContain(cause);
  await proxy.close();
});

test('TLS 1.2 names a rejected client certificate as well', async () => {
  const proxy = await startTlsProxy(target, { clientCa: 'ca', maxVersion: 'TLSv1.2' });
  configure({ ADDRESS: proxy.address, ...serverCa });
  expect(await refusal()).toContain('the server demands a client certificate');
  await proxy.close();
});

test('a TLS proxy whose Temporal server is down is one explanation of a closed connection', async () => {
  const proxy = await startTlsProxy('127.0.0.1:9', { clientCa: 'ca' });
  configure({ ADDRESS: proxy.address, ...serverCa, ...clientCertificate('client') });
  expect(await refusal()).toContain('or it is a proxy whose Temporal server is down');
  await proxy.close();
});

test('a client with TLS says that the server has none', async () => {
  configure({ ADDRESS: target, TLS: 'true' });
  expect(await refusal()).toContain('TLS: the client speaks TLS, the server does not. Set TEMPORAL_TLS=false.');
});

test.each([
  ['nothing', '127.0.0.1:9', 'nothing listens at this port (ECONNREFUSED)'],
  ['an unknown name', 'no-such-host.invalid:7233', 'its name cannot be resolved'],
])('an address with %s is named', async (_, address, cause) => {
  configure({ ADDRESS: address });
  expect(await refusal()).toContain(`at ${address}, namespace default, no TLS: ${cause}. Check the address`);
});

test('a server that does not speak gRPC is named, and so is one that never answers', async () => {
  const http = createHttpServer((_, response) => response.end());
  const web = await listenOn(http);
  const silent = await listenOn(createServer());
  configure({ ADDRESS: `127.0.0.1:${web.port}` });
  expect(await refusal()).toContain('the server there does not speak gRPC. Check the port');
  configure({ ADDRESS: `127.0.0.1:${silent.port}` });
  await expect(connect(readServer())).rejects.toThrow('the host does not answer (no answer within 5 s)');
  await Promise.all([web.close(), silent.close()]);
});

test('the API key reaches the server from commands and workers, and a wrong or missing one is named', async () => {
  const apiKey = `key-${randomUUID()}`;
  const proxy = await startKeyProxy(target, apiKey);
  configure({ ADDRESS: proxy.address, TLS: 'false', API_KEY: apiKey });
  expect(formatSecurity(readServer())).toBe('no TLS, API key');
  expect(await refusal()).toBe('connected');
  expect([...proxy.seen]).toEqual([`Bearer ${apiKey}`]);
  configure({ ADDRESS: proxy.address, TLS: 'false', API_KEY: 'another' });
  const refused = await refusal();
  expect(refused).toContain('the server refuses this API key (unknown key). Set TEMPORAL_API_KEY');
  expect(refused).not.toContain('another');
  configure({ ADDRESS: proxy.address });
  expect(await refusal()).toContain('the server refuses a client without an API key');
  await proxy.close();
});

test('an API key alone turns on TLS, as in the SDK', () => {
  configure({ ADDRESS: target, API_KEY: 'key' });
  expect(formatSecurity(readServer())).toBe('TLS, API key');
});

test('a namespace that does not exist is named with the command that creates it', async () => {
  configure({ ADDRESS: target, NAMESPACE: 'nowhere' });
  expect(await refusal()).toContain(
    'namespace nowhere, no TLS: the namespace nowhere does not exist. Check TEMPORAL_NAMESPACE, or create it: everswin namespace prepare --create',
  );
});

test.each([
  [{ TLS: 'yes' }, 'TEMPORAL_TLS'],
  [{ ADDRESS: 'https://temporal.lab:7233' }, 'got "https://temporal.lab:7233"'],
  [{ ADDRESS: '127.0.0.1:99999' }, 'a port from 1 to 65535'],
  [{ API_KEY: 'line\nbreak' }, 'the API key holds a space, a line break'],
  [
    { CONFIG_FILE: '/nowhere/temporal.toml' },
    'the file of TEMPORAL_CONFIG_FILE does not exist: /nowhere/temporal.toml',
  ],
  [{ PROFILE: 'lab' }, "Profile 'lab' not found"],
  [{ TLS_CLIENT_CERT_PATH: tlsFile('client.pem') }, 'a client certificate needs both'],
  [
    { TLS_SERVER_CA_CERT_PATH: '/nowhere/ca.pem' },
    'cannot read the file of TEMPORAL_TLS_SERVER_CA_CERT_PATH, /nowhere/ca.pem: it does not exist',
  ],
  [{ TLS_CLIENT_KEY_PATH: '/' }, 'cannot read the file of TEMPORAL_TLS_CLIENT_KEY_PATH, /: it is a folder'],
  [{ TLS_SERVER_CA_CERT_PATH: tlsFile('create.sh') }, 'the CA certificate of the server is not a valid PEM file'],
  [clientCertificate('client-expired'), 'the client certificate (CN=worker) expired on'],
  [
    { TLS_CLIENT_CERT_PATH: tlsFile('client.pem'), TLS_CLIENT_KEY_PATH: tlsFile('server.key') },
    'the client key does not belong to the client certificate',
  ],
])('readServer refuses %j', (variables: Record<string, string>, problem) => {
  configure({ ADDRESS: target, ...variables });
  expect(() => readServer()).toThrow(problem);
});

test('readServer reads the selected profile of temporal.toml, and variables override it', async () => {
  const folder = await mkdtemp(`${tmpdir()}/everswin-profile-`);
  const file = `${folder}/temporal.toml`;
  await writeFile(file, '[profile.lab]\naddress = "lab:7233"\nnamespace = "vision"\napi_key = "secret"\n');
  configure({ CONFIG_FILE: file, PROFILE: 'lab', NAMESPACE: 'other' });
  expect(readServer()).toMatchObject({ address: 'lab:7233', namespace: 'other', apiKey: 'secret', tls: true });
  await writeFile(file, '[profile.lab]\naddress = "lab:7233"\napi_key = "secret"\nbroken\n');
  expect(() => readServer()).toThrow(/^The Temporal settings are invalid: (?!.*secret)/s);
  await writeFile(file, '');
  configure({ CONFIG_FILE: file, ADDRESS: target });
  expect(readServer()).toMatchObject({ address: target, namespace: 'default' });
  await rm(folder, { recursive: true });
});
