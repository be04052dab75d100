import { isIP } from 'node:net';
import { CodedError } from '../../errors/coded-error.ts';
import { isPublicAddress } from './private-address.ts';
import { redactUrl } from './redact-url.ts';

/** Allowed sources of files. Each URL and each redirect is checked against it. */
export interface SourcePolicy {
  /** `host` (default port of the scheme) or `host:port`. Must have public addresses. */
  readonly hosts: ReadonlySet<string>;
  /** `host:port` that may have a private address, such as the demo server. */
  readonly loopback: ReadonlySet<string>;
  /** Buckets of `s3://bucket/key`. The operator configures their server. */
  readonly buckets: ReadonlySet<string>;
  /** Whether `file://` URLs are allowed. */
  readonly files: boolean;
}

const defaultPorts: Record<string, string> = { 'http:': '80', 'https:': '443' };

const misleading = /[\p{Cc}\\]|^ | $/u;
/** Checks for characters that URL parsers drop or replace, which make a URL point elsewhere than it appears to. */
export const hasMisleadingCharacters = (text: string): boolean => misleading.test(text);

/** Valid S3 bucket names. Another name could lead the client to another server. */
const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** Dot segments could leave the bucket on a server that treats keys as paths. */
const dotSegment = /(^|\/)\.{1,2}(\/|$)/;

/**
 * Parses a URL that the policy allows.
 * @throws CodedError DownloadRefused for any other URL.
 */
export const parseAllowedUrl = (text: string, policy: SourcePolicy): URL => {
  const reason = findRefusal(text, policy);
  if (reason === null) return new URL(text);
  throw new CodedError('DownloadRefused', `${redactUrl(text)} ${reason}.`);
};

/** Checks whether a server may have a private address. */
export const mayBePrivate = (url: URL, { loopback }: SourcePolicy): boolean => loopback.has(hostAndPort(url));

const findRefusal = (text: string, policy: SourcePolicy): string | null => {
  if (hasMisleadingCharacters(text)) return 'contains invalid characters';
  if (!URL.canParse(text)) return 'is not a valid URL';
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'contains credentials';
  switch (url.protocol) {
    case 'http:':
    case 'https:':
      return findHostRefusal(url, policy);
    case 's3:':
      return findObjectRefusal(text, url, policy);
    case 'file:':
      return findFileRefusal(url, policy);
    default:
      return 'is not an http, https, s3 or file URL';
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
  if (!bucketName.test(url.host)) return 'contains no valid bucket name';
  // The URL parser has already resolved unencoded dot segments, so the original text is checked, too.
  const [key, original] = [tryDecode(url.pathname.slice(1)), tryDecode(text)];
  const isKey =
    key !== null &&
    key !== '' &&
    original !== null &&
    !dotSegment.test(original) &&
    url.search === '' &&
    url.hash === '';
  return isKey ? null : 'contains no valid object key';
};

const findFileRefusal = (url: URL, { files }: SourcePolicy): string | null => {
  if (!files) return 'is a local file, which the plan does not allow';
  if (url.host !== '') return 'is a file on another machine';
  const path = tryDecode(url.pathname);
  return path === null || path.includes('\0') || /%2f/i.test(url.pathname) ? 'contains no valid file path' : null;
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
