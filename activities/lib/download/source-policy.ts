import { isIP } from 'node:net';
import { CodedError } from '../coded-error.ts';
import { isPublicAddress } from './private-address.ts';
import { showUrl } from './show-url.ts';

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

export type Scheme = 'http:' | 'https:' | 's3:' | 'file:';

const defaultPorts: Record<string, string> = { 'http:': '80', 'https:': '443' };

/** @throws CodedError DownloadRefused for an address that the policy does not allow. */
export const admitUrl = (text: string, policy: SourcePolicy): URL => {
  const reason = URL.canParse(text) ? refusalOf(new URL(text), policy) : 'is no address';
  if (reason === null) return new URL(text);
  throw new CodedError('DownloadRefused', `${showUrl(text)} ${reason}.`);
};

/** Is this one of the servers that may have a private address? */
export const isExempt = (url: URL, { loopback }: SourcePolicy): boolean => loopback.has(hostAndPort(url));

const refusalOf = (url: URL, policy: SourcePolicy): string | null => {
  if (url.username !== '' || url.password !== '') return 'carries credentials';
  switch (url.protocol) {
    case 'http:':
    case 'https:':
      return refusalOfHost(url, policy);
    case 's3:':
      return policy.buckets.has(url.host) ? null : 'is in a bucket that neither the catalog nor the plan allows';
    case 'file:':
      return policy.files && url.host === '' ? null : 'is a file, which the plan does not allow';
    default:
      return 'is no http, https, s3 or file address';
  }
};

const refusalOfHost = (url: URL, policy: SourcePolicy): string | null => {
  if (isExempt(url, policy)) return null;
  if (!policy.hosts.has(url.host) && !policy.hosts.has(hostAndPort(url))) {
    return 'is on a host that neither the catalog nor the plan allows';
  }
  const address = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(address) === 0 || isPublicAddress(address) ? null : 'has a private address';
};

const hostAndPort = ({ hostname, port, protocol }: URL): string =>
  `${hostname}:${port === '' ? (defaultPorts[protocol] ?? '') : port}`;
