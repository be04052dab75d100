import { lookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { CodedError } from '../../errors/coded-error.ts';
import { isPublicAddress } from './private-address.ts';

type ResolveHost = (hostname: string) => Promise<LookupAddress[]>;

export const resolveWithSystem: ResolveHost = (hostname) =>
  new Promise((resolve, reject) => {
    lookup(hostname, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error)));
  });

/**
 * Creates a `lookup` function for sockets that rejects hosts with a private address. It resolves each name once and returns
 * the checked addresses, which defeats DNS rebinding.
 */
export const createGuardedLookup = (resolve: ResolveHost): LookupFunction => {
  const known = new Map<string, Promise<LookupAddress[]>>();
  const resolvePublic = async (hostname: string): Promise<LookupAddress[]> => {
    const addresses = await resolve(hostname);
    const privateAddress = addresses.find(({ address }) => !isPublicAddress(address));
    if (privateAddress === undefined && addresses.length > 0) return addresses;
    const reason = privateAddress === undefined ? 'no address' : `the private address ${privateAddress.address}`;
    throw new CodedError('DownloadRefused', `The host ${hostname} has ${reason}.`);
  };
  const resolveOnce = (hostname: string): Promise<LookupAddress[]> => {
    const resolved = known.get(hostname) ?? resolvePublic(hostname);
    known.set(hostname, resolved);
    // Retries DNS failures, but remembers rejections.
    resolved.catch((error: unknown) => {
      if (!(error instanceof CodedError)) known.delete(hostname);
    });
    return resolved;
  };
  return (hostname, options, callback) => {
    resolveOnce(hostname).then(
      (addresses) => {
        const [first] = addresses;
        if (options.all === true) callback(null, addresses);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), []),
    );
  };
};
