import { isIP } from 'node:net';
import { CodedError } from '../../errors/coded-error.ts';
import { isPublicAddress } from './private-address.ts';
import { redactUrl } from './redact-url.ts';

/** Where files may come from. What is not named here is refused, for each redirect anew. */
export interface SourcePolicy {
  /** `host` (at the scheme's own port) or `host:port`; only at a public address. */
  readonly hosts: ReadonlySet<string>;
  /** `host:port` that may have a private address, such as the demo's own server. */
  readonly loopback: ReadonlySet<string>;
  /** Of `s3://bucket/key`; which server that is, the operator says, not the address. */
  readonly buckets: ReadonlySet<string>;
  /** May `file://` be read? */
  readonly files: boolean;
}

const defaultPorts: Record<string, string> = { 'http:': '80', 'https:': '443' };

// eslint-disable-next-line no-control-regex -- these are what is looked for
const misleading = /[\u0000-\u001f\u007f\\]|^ | $/;
/** Does it hold what parsers drop or turn into something else, so that it leads elsewhere than people read? */
export const hasMisleadingCharacters = (text: string): boolean => misleading.test(text);

/** As S3 has them; anything else could lead the client to another server. */
const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** A server that takes keys for paths would leave the bucket. */
const dotSegment = /(^|\/)\.{1,2}(\/|$)/;

/** @throws CodedError DownloadRefused for an address that the policy does not allow. */
export const parseAllowedUrl = (text: string, policy: SourcePolicy): URL => {
  const reason = findRefusal(text, policy);
  if (reason === null) return new URL(text);
  throw new CodedError('DownloadRefused', `${redactUrl(text)} ${reason}.`);
};

/** Is this one of the servers that may have a private address? */
export const mayBePrivate = (url: URL, { loopback }: SourcePolicy): boolean => loopback.has(hostAndPort(url));

const findRefusal = (text: string, policy: SourcePolicy): string | null => {
  if (hasMisleadingCharacters(text)) return 'holds characters that no address has';
  if (!URL.canParse(text)) return 'is no address';
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'carries credentials';
  switch (url.protocol) {
    case 'http:':
    case 'https:':
      return findHostRefusal(url, policy);
    case 's3:':
      return findObjectRefusal(text, url, policy);
    case 'file:':
      return findFileRefusal(url, policy);
    default:
      return 'is no http, https, s3 or file address';
  }
};

const findHostRefusal = (url: URL, policy: SourcePolicy): string | null => {
  if (mayBePrivate(url, policy)) return null;
  if (!policy.hosts.has(url.host) && !policy.hosts.has(hostAndPort(url))) {
    return 'is on a host that neither the catalog nor the plan allows';
  }
  const address = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(address) === 0 || isPublicAddress(address) ? null : 'has a private address';
};

const findObjectRefusal = (text: string, url: URL, { buckets }: SourcePolicy): string | null => {
  if (!buckets.has(url.host)) return 'is in a bucket that neither the catalog nor the plan allows';
  if (!bucketName.test(url.host)) return 'names no bucket';
  // The parser has resolved those dots that are not encoded.
  const [key, written] = [tryDecode(url.pathname.slice(1)), tryDecode(text)];
  const isKey =
    key !== null && key !== '' && written !== null && !dotSegment.test(written) && url.search === '' && url.hash === '';
  return isKey ? null : 'names no object of its bucket';
};

const findFileRefusal = (url: URL, { files }: SourcePolicy): string | null => {
  if (!files) return 'is a file, which the plan does not allow';
  if (url.host !== '') return 'is a file of another machine';
  const path = tryDecode(url.pathname);
  return path === null || path.includes('\0') || /%2f/i.test(url.pathname) ? 'names no file' : null;
};

const tryDecode = (text: string): string | null => {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
};

const hostAndPort = ({ hostname, port, protocol }: URL): string =>
  `${hostname}:${port === '' ? (defaultPorts[protocol] ?? '') : port}`;
