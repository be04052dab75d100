import ipaddr from 'ipaddr.js';

/**
 * Checks whether a numeric address belongs to a host of the public internet. Forms that carry an IPv4 address (mapped,
 * compatible, NAT64, 6to4) never count as public.
 */
export function isPublicAddress(address: string): boolean {
  const parsed = ipaddr.parse(address);
  // ipaddr.js also calls `::127.0.0.1` and unallocated space unicast; IANA allocates public IPv6 from this block alone.
  const isAllocated = parsed instanceof ipaddr.IPv4 || parsed.match(publicIPv6);
  return isAllocated && parsed.range() === 'unicast';
}

const publicIPv6 = ipaddr.IPv6.parseCIDR('2000::/3');
