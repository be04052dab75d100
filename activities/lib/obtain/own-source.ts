import type { CatalogFile } from '../../../configs/schema.ts';
import { CodedError } from '../failures/coded-error.ts';
import type { FileHash } from '../download/recorded-hash.ts';
import { admitUrl } from '../download/source-policy.ts';
import { localSource } from './local-source.ts';
import type { ObtainContext } from './obtain-context.ts';
import { s3ObjectSource } from './s3-object-source.ts';
import { s3PrefixSource } from './s3-prefix-source.ts';

/** A file on its way into the store. */
export interface TakenFile extends FileHash {
  readonly path: string;
}

/** How a source looks at one moment. */
export interface Sight {
  /** Another one when anything in it was changed; nothing is read for it. */
  readonly look: string;
  /** How much has to come, and how much of the disk it will take. */
  readonly need: () => Promise<MaterialNeed>;
  /** Brings what was seen. What changes meanwhile may come in part: whoever takes looks again afterwards. */
  readonly take: () => Promise<TakenFile>;
}

export interface MaterialNeed {
  readonly fetchBytes: number;
  readonly diskBytes: number;
}

/** Files of the user's own, which may change: they are what they are when they are taken. */
export interface OwnSource {
  readonly url: string;
  readonly shown: string;
  readonly isFolder: boolean;
  /** @throws CodedError DownloadRefused where it is not there or cannot be read, DatasetInvalid for what cannot become a folder. */
  readonly see: () => Promise<Sight>;
}

/**
 * A file without a published hash whose first address is `file:` or `s3:`; a folder, packed into an archive, where that ends
 * in `/`. Its further addresses are not asked: nobody could tell which of them is right. Undefined for all other files.
 * @throws CodedError DownloadRefused when the policy does not allow it.
 */
export function ownSource({ urls, sha256, file }: CatalogFile, context: ObtainContext): OwnSource | undefined {
  const [url] = urls;
  if (url === undefined || !/^(file|s3):/.test(url)) return undefined;
  const isFolder = url.endsWith('/');
  if (sha256 !== null) {
    if (!isFolder) return undefined;
    throw new CodedError('DownloadRefused', `${url} is a folder, and nobody knows its sha256 before it is packed.`);
  }
  const address = admitUrl(url, context.policy);
  if (address.protocol === 'file:') return localSource(file, address, context);
  return isFolder ? s3PrefixSource(file, address, context) : s3ObjectSource(file, address, context);
}
