import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { readdir } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it, test, vi } from 'vitest';
import { createGuardedLookup } from '../../../../../activities/shared/download/sources/guarded-lookup.ts';
import { resolveRedirect } from '../../../../../activities/shared/download/sources/resolve-redirect.ts';
import { isPublicAddress } from '../../../../../activities/shared/download/sources/private-address.ts';
import type { SourcePolicy } from '../../../../../activities/shared/download/sources/source-policy.ts';
import {
  expectEmptyFolder,
  expectComplete,
  failureOf,
  fetchFrom,
  folder,
  serve,
} from '../../../../fixtures/download-fixture.ts';
import { redirectTo, answerCorrectly } from '../../../../fixtures/faulty-server.ts';

/** A typical policy. */
const typical: SourcePolicy = {
  hosts: new Set(['example.com', 'files.example.org:8443']),
  loopback: new Set(),
  buckets: new Set(['weights']),
  files: false,
};
/** A policy that allows the host of the URL by name, so that only the check of the address can reject it. */
const allowing = (url: string): SourcePolicy => ({
  ...typical,
  hosts: new Set([...typical.hosts, ...(URL.canParse(url) ? [new URL(url).host, new URL(url).hostname] : [])]),
});

/** Tells whether a Location header can contain the URL. */
const isSendable = (url: string): boolean => /^[\u0021-\u007e]+$/.test(url);

/** Many of these are the same address in different notations. */
const privateAddresses = [
  'http://127.0.0.1/',
  'http://127.0.0.1./',
  'http://127.1/',
  'http://127.255.255.254/',
  'http://2130706433/',
  'http://0x7f000001/',
  'http://0x7f.0.0.1/',
  'http://017700000001/',
  'http://0177.0.0.01/',
  'http://%31%32%37.0.0.1/',
  'http://①②⑦.⓪.⓪.①/',
  'http://127。0。0。1/',
  'http://0/',
  'http://0.0.0.0/',
  'http://10.0.0.1/',
  'http://100.64.0.1/',
  'http://169.254.169.254/latest/meta-data/',
  'http://2852039166/latest/meta-data/',
  'http://0xa9fea9fe/',
  'http://172.16.0.1/',
  'http://172.31.255.255/',
  'http://192.0.0.192/',
  'http://192.168.1.1/',
  'http://198.18.0.1/',
  'http://224.0.0.1/',
  'http://255.255.255.255/',
  'https://[::]/',
  'https://[::1]/',
  'https://[0:0:0:0:0:0:0:1]/',
  'https://[::127.0.0.1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[::ffff:0:127.0.0.1]/',
  'https://[64:ff9b::7f00:1]/',
  'https://[64:ff9b:1::a00:1]/',
  'https://[2002:7f00:1::]/',
  'https://[2001:0:7f00:1::]/',
  'https://[fc00::1]/',
  'https://[fd00:ec2::254]/',
  'https://[fe80::1]/',
  'https://[fec0::1]/',
  'https://[ff02::1]/',
  'https://[100::1]/',
  'https://[2001:db8::1]/',
];

describe('a private address', () => {
  test.each(privateAddresses)('is rejected although the policy allows its host: %s', async (url) => {
    const failure = await failureOf(fetchFrom(url, { policy: allowing(url) }));
    expect(failure.code).toBe('DownloadRefused');
    expect(failure.message).toContain('has a private address');
    await expectEmptyFolder();
  });

  test.each(privateAddresses.filter(isSendable))(
    'is rejected as a redirect although the policy allows its host: %s',
    async (url) => {
      const server = await serve(redirectTo(url));
      const policy = { ...allowing(url), loopback: new Set([new URL(server.url).host]) };
      const failure = await failureOf(fetchFrom(server.url, { policy }));
      expect(failure.code).toBe('DownloadRefused');
      await expectEmptyFolder();
    },
  );

  test.each(['localhost', 'LOCALHOST', 'ⓛocalhost', 'loc%61lhost'])(
    'is rejected behind a host name, before a request: %s',
    async (name) => {
      const server = await serve(answerCorrectly);
      const url = server.url.replace('127.0.0.1', name);
      const failure = await failureOf(fetchFrom(url, { policy: allowing(url) }));
      expect(failure.code).toBe('DownloadRefused');
      expect(failure.message).toMatch(/has the private address (127\.0\.0\.1|::1)/);
      expect(server.requests).toEqual([]);
      await expectEmptyFolder();
    },
  );

  it('is not reached through a host name with a trailing dot', async () => {
    const server = await serve(answerCorrectly);
    const url = server.url.replace('127.0.0.1', 'localhost.');
    await failureOf(fetchFrom(url, { policy: allowing(url) }));
    expect(server.requests).toEqual([]);
    await expectEmptyFolder();
  });

  test.each(['8.8.8.8', '1.1.1.1', '2606:4700:4700::1111', '2001:4860:4860::8888'])(
    'does not include %s',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );

  it('is not reached through DNS rebinding', async () => {
    const answers = ['8.8.8.8', '127.0.0.1'];
    const lookup = createGuardedLookup(() => Promise.resolve([{ address: answers.shift() ?? '', family: 4 }]));
    const ask = (): Promise<unknown> =>
      new Promise((resolve) => lookup('rebind.test', { all: true }, (error, found) => resolve(error ?? found)));
    expect(await ask()).toEqual([{ address: '8.8.8.8', family: 4 }]);
    expect(await ask()).toEqual([{ address: '8.8.8.8', family: 4 }]);
    expect(answers).toEqual(['127.0.0.1']);
  });

  test.each(['127.0.0.1', '10.1.2.3', '169.254.169.254', '::1', '::ffff:10.0.0.1', 'fe80::1%eth0', 'fd00::1'])(
    'is rejected when it is one of several addresses of a host: %s',
    async (address) => {
      const found = [
        { address: '8.8.8.8', family: 4 },
        { address, family: address.includes(':') ? 6 : 4 },
      ];
      const lookup = createGuardedLookup(() => Promise.resolve(found));
      const error = await new Promise((resolve) => lookup('mixed.test', { all: true }, resolve));
      expect(error).toHaveProperty('code', 'DownloadRefused');
    },
  );
});

describe('a URL that the policy does not allow', () => {
  const foreign = [
    ['unsupported scheme', 'ftp://example.com/file.bin'],
    ['unsupported scheme', 'gopher://example.com/_x'],
    ['unsupported scheme', 'dict://example.com:11211/stats'],
    ['unsupported scheme', 'ldap://example.com/'],
    ['unsupported scheme', 'ws://example.com/'],
    ['unsupported scheme', 'data:application/octet-stream;base64,AAAA'],
    ['unsupported scheme', 'javascript:alert(1)'],
    ['unsupported scheme', 'blob:https://example.com/1'],
    ['unsupported scheme', 'jar:https://example.com/a.jar!/b'],
    ['unsupported scheme', 'view-source:https://example.com/'],
    ['unsupported scheme', 'about:blank'],
    ['a socket', 'unix:/var/run/docker.sock'],
    ['a socket', 'http+unix://%2Fvar%2Frun%2Fdocker.sock/info'],
    ['a socket', 'http://unix:/var/run/docker.sock:/info'],
    ['credentials', 'https://user:secret@example.com/file.bin'],
    ['credentials', 'https://secret@example.com/file.bin'],
    ['credentials', 'https://:secret@example.com/file.bin'],
    ['a look-alike', 'https://example.com.evil.test/file.bin'],
    ['a look-alike', 'https://evil-example.com/file.bin'],
    ['a look-alike', 'https://evilexample.com/file.bin'],
    ['a look-alike', 'https://sub.example.com/file.bin'],
    ['a look-alike', 'https://example.co/file.bin'],
    ['a look-alike', 'https://example.com./file.bin'],
    ['a look-alike', 'https://example.com@evil.test/file.bin'],
    ['a look-alike', 'https://example.com%40evil.test/file.bin'],
    ['a look-alike', 'https://example.com%2eevil.test/file.bin'],
    ['a look-alike', 'https://example.com%00.evil.test/file.bin'],
    ['a look-alike', 'https://evil.test/https://example.com/file.bin'],
    ['a look-alike', 'https://evil.test#@example.com/file.bin'],
    ['a look-alike', 'https://evil.test?@example.com/file.bin'],
    ['a look-alike with a Cyrillic letter', 'https://ex\u0430mple.com/file.bin'],
    ['the same in Punycode', 'https://xn--exmple-4nf.com/file.bin'],
    ['a dotless letter', 'https://examp\u0142e.com/file.bin'],
    ['another port', 'https://example.com:8443/file.bin'],
    ['another port', 'https://example.com:22/file.bin'],
    ['another port', 'https://files.example.org/file.bin'],
    ['no port', 'https://example.com:99999/file.bin'],
    ['a backslash', 'https://evil.test\\@example.com/file.bin'],
    ['a backslash', 'https:\\\\example.com/file.bin'],
    ['a tab', 'https://exam\tple.com/file.bin'],
    ['a line end', 'https://example.com/file.bin\r\nHost: evil.test'],
    ['a space', ' https://example.com/file.bin'],
    ['NUL', 'https://example.com/file.bin\0'],
    ['no host', 'https://'],
    ['no host', 'https:///'],
    ['no address', '//example.com/file.bin'],
    ['no address', 'example.com/file.bin'],
    ['a file', 'file:///etc/passwd'],
    ['a file', 'file:/etc/passwd'],
    ['a file', 'FILE:///etc/passwd'],
    ['a bucket', 's3://others/model.pth'],
    ['a bucket', 's3://weights.evil.test/model.pth'],
    ['a bucket with a port', 's3://weights:9000/model.pth'],
    ['a bucket with credentials', 's3://key:secret@weights/model.pth'],
    ['a key that leaves its bucket', 's3://weights/../others/model.pth'],
    ['a key that leaves its bucket', 's3://weights/%2e%2e/others/model.pth'],
    ['a key that leaves its bucket', 's3://weights/..%2Fothers%2Fmodel.pth'],
    ['a key that leaves its bucket', 's3://weights/a/..%2F..%2Fothers%2Fmodel.pth'],
    ['no key', 's3://weights'],
    ['no key', 's3://weights/'],
    ['a broken key', 's3://weights/%zz'],
    ['a key with a query', 's3://weights/model.pth?versionId=1'],
  ];

  test.each(foreign)('is rejected without a request or a file: %s, %j', async (_label, url) => {
    const s3 = (): never => expect.unreachable('sent a request to a bucket');
    const failure = await failureOf(fetchFrom(url, { policy: typical, s3 }));
    expect(failure.code).toBe('DownloadRefused');
    expect(failure.message).not.toContain('secret');
    await expectEmptyFolder();
  });

  test.each(foreign.filter(([, url = '']) => isSendable(url) && URL.canParse(url)))(
    'is rejected as a redirect: %s, %j',
    async (_label, url) => {
      const server = await serve(redirectTo(url));
      const policy = { ...typical, loopback: new Set([new URL(server.url).host]) };
      const failure = await failureOf(fetchFrom(server.url, { policy }));
      expect(failure.code).toBe('DownloadRefused');
      expect(failure.message).not.toContain('secret');
      await expectEmptyFolder();
    },
  );

  test.each([
    'file://evil.test/etc/passwd',
    'file://127.0.0.1/etc/passwd',
    'file:///etc%2Fpasswd',
    'file:///etc/passwd%00.pth',
    'file:///%zz',
    'file:///nowhere/at/all',
    'file:///dev/zero',
    'file:///proc',
  ])('is rejected even if files are allowed: %s', async (url) => {
    const failure = await failureOf(fetchFrom(url, { policy: { ...typical, files: true } }));
    expect(failure.code).toBe('DownloadRefused');
    await expectEmptyFolder();
  });
});

describe('a redirect', () => {
  afterEach(() => void vi.unstubAllEnvs());

  /** Serves a redirect over HTTPS with a self-signed certificate, which the test accepts. */
  const serveSecurely = async (location: string) => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-days', '2', '-keyout', key, '-out', cert];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject], { stdio: 'ignore' });
    const options = { key: readFileSync(key), cert: readFileSync(cert) };
    const server = createServer(options, (_request, response) => response.writeHead(302, { location }).end());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, stop: () => server.close() };
  };

  it('from https to http is rejected', async () => {
    const plain = await serve(answerCorrectly);
    const secure = await serveSecurely(plain.url);
    const policy = { ...typical, loopback: new Set([secure.host, new URL(plain.url).host]) };
    const failure = await failureOf(fetchFrom(`https://${secure.host}/file.bin`, { policy }));
    secure.stop();
    expect(failure.code).toBe('DownloadRefused');
    expect(failure.message).toContain('the target is not encrypted');
    expect(plain.requests).toEqual([]);
    expect(await readdir(folder)).toEqual(['cert.pem', 'key.pem']);
  });

  it('from a public to a private server is rejected', () => {
    const policy = { ...typical, loopback: new Set(['127.0.0.1:4567']) };
    const follow = (from: string): URL => resolveRedirect(new URL(from), 'http://127.0.0.1:4567/file.bin', policy);
    expect(() => follow('http://example.com/file.bin')).toThrow('the target has a private address');
    expect(follow('http://127.0.0.1:4567/other').href).toBe('http://127.0.0.1:4567/file.bin');
  });

  it('between allowed servers is followed', async () => {
    const last = await serve(answerCorrectly);
    const first = await serve(redirectTo(last.url));
    const loopback = new Set([first.url, last.url].map((url) => new URL(url).host));
    await fetchFrom(first.url, { policy: { ...typical, loopback } });
    expectComplete();
  });
});
