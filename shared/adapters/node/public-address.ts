import ipaddr from 'ipaddr.js';

/** Addresses that are public by their range, but belong to the cloud that the machine runs in. */
const CLOUD_SERVICES = ['168.63.129.16']; // Azure WireServer

/** Whether the address is one of the open Internet: no network, machine or metadata service of ours is behind it. */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  // An IPv4-mapped address is the IPv4 address.
  const address = ipaddr.process(text);
  if (CLOUD_SERVICES.includes(address.toString())) return false;
  if (address instanceof ipaddr.IPv6 && !isGlobal(address)) return false;
  return address.range() === 'unicast';
}

/** 2000::/3 (RFC 4291): everything else of IPv6 is local, a group, or an IPv4 address in disguise, NAT64 too. */
function isGlobal({ parts }: ipaddr.IPv6): boolean {
  return parts[0]! >> 13 === 1;
}
