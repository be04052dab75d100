import { findSimilar } from '../../configs/schema/did-you-mean.ts';
import type { Catalog, CatalogFile, RunInput } from '../../configs/schema/index.ts';
import type { SourcePolicy } from '../shared/download/sources/source-policy.ts';

/** Parts of a run input that decide from where files are fetched. */
type TransferInput = Pick<RunInput, 'catalog' | 'transfers'>;

/**
 * Returns the allowed sources of a run: the hosts of the shipped catalog, hosts that the input allows by name, and the
 * server of the embedded stack. Redirects may also lead to the redirect hosts of the catalog.
 * @param planned weights that the plan found in an artifact store.
 */
export function allowedSources(
  catalog: Catalog,
  input: TransferInput,
  demoUrl: string | undefined,
  planned: readonly CatalogFile[] = [],
): SourcePolicy {
  const named = catalogFiles(catalog).flatMap(({ urls }) => listHosts(urls));
  const files = [...catalogFiles(catalog), ...catalogFiles(input.catalog), ...planned];
  const buckets = files.flatMap(({ urls }) => listBuckets(urls));
  return {
    hosts: new Set([...named, ...catalog.redirectHosts, ...input.transfers.allowHosts]),
    loopback: new Set(demoUrl === undefined ? [] : [new URL(demoUrl).host]),
    buckets: new Set(buckets),
    // Users keep their data on the disk of the worker. Only images, annotations and tensors pass later checks.
    files: true,
  };
}

/**
 * Finds hosts that an input uses and may not, before anything is fetched.
 * @returns an error message that names all of them, or undefined.
 */
export function findForeignHosts(catalog: Catalog, input: TransferInput): string | undefined {
  const { hosts } = allowedSources(catalog, input, undefined);
  const foreign = catalogFiles(input.catalog).flatMap(({ urls }) => listHosts(urls).filter((host) => !hosts.has(host)));
  if (foreign.length === 0) return undefined;
  const names = [...new Set(foreign)].map((host) => {
    const similar = findSimilar(host, [...hosts]);
    return similar === undefined ? host : `${host} (did you mean ${similar}?)`;
  });
  return `The input uses hosts that configs/catalog.json does not list: ${names.join(', ')}. Add them to transfers.allowHosts if you trust them.`;
}

const catalogFiles = ({ datasets, weights }: Pick<Catalog, 'datasets' | 'weights'>): CatalogFile[] => [
  ...Object.values(datasets).flatMap(({ archives }) => archives),
  ...Object.values(weights).map(({ source }) => source),
];

const listHosts = (urls: readonly string[]): string[] =>
  urls.filter((url) => /^https?:/.test(url) && URL.canParse(url)).map((url) => new URL(url).host);

const listBuckets = (urls: readonly string[]): string[] =>
  urls.filter((url) => url.startsWith('s3://') && URL.canParse(url)).map((url) => new URL(url).host);
