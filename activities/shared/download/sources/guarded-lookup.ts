import { lookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { CodedError } from '../../errors/coded-error.ts';
import { isPublicAddress } from './private-address.ts';

export type ResolveHost = (hostname: string) => Promise<LookupAddress[]>;

export const resolveWithSystem: ResolveHost = (hostname) =>
  new Promise((resolve, reject) => {
    lookup(hostname, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error)));
  });

/**
 * A `lookup` for sockets: they connect to the very addresses that were judged. A name is resolved once, so that
 * its second answer can't differ from its first, and refused when any of its addresses is private.
 */
export const createGuardedLookup = (resolve: ResolveHost): LookupFunction => {
  const known = new Map<string, Promise<LookupAddress[]>>();
  const judge = async (hostname: string): Promise<LookupAddress[]> => {
    const addresses = await resolve(hostname);
    const wrong = addresses.find(({ address }) => !isPublicAddress(address));
    if (wrong === undefined && addresses.length > 0) return addresses;
    const why = wrong === undefined ? 'no address' : `the private address ${wrong.address}`;
    throw new CodedError('DownloadRefused', `The host ${hostname} has ${why}.`);
  };
  const judgeOnce = (hostname: string): Promise<LookupAddress[]> => {
    const judged = known.get(hostname) ?? judge(hostname);
    known.set(hostname, judged);
    // A name server that fails is asked again; a judgement stands.
    judged.catch((error: unknown) => {
      if (!(error instanceof CodedError)) known.delete(hostname);
    });
    return judged;
  };
  return (hostname, options, callback) => {
    judgeOnce(hostname).then(
      (addresses) => {
        const [first] = addresses;
        if (options.all === true) callback(null, addresses);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), []),
    );
  };
};
