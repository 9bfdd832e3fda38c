import dns from 'node:dns';
import type { LookupFunction } from 'node:net';

/** Of one try, and how many of them. */
const TIMEOUT_MILLISECONDS = 4_000;
const TRIES = 2;
const LOOPBACK = [{ address: '127.0.0.1', family: 4 }];

/**
 * As `dns.lookup`, but asks the DNS servers itself (c-ares). That one has two threads for the whole process: two names
 * whose servers never answer would hold up everybody's. Names of the hosts file are not known here, but `localhost`
 * (RFC 6761). `servers`: default: those of the operating system.
 */
export function createDnsLookup(servers?: readonly string[]): LookupFunction {
  let resolver: dns.promises.Resolver | undefined;
  const open = () => {
    const opened = new dns.promises.Resolver({ timeout: TIMEOUT_MILLISECONDS, tries: TRIES });
    if (servers) opened.setServers(servers);
    return opened;
  };
  return (hostname, options, callback) => {
    const answer = (addresses: dns.LookupAddress[]) => {
      if (options.all) callback(null, addresses);
      else callback(null, addresses[0]!.address, addresses[0]!.family);
    };
    if (/(?:^|\.)localhost\.?$/i.test(hostname)) return answer(LOOPBACK);
    resolver ??= open();
    Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]).then(([four, six]) => {
      const found = [four, six].flatMap((answers, i) =>
        answers.status === 'fulfilled' ? answers.value.map((address) => ({ address, family: i === 0 ? 4 : 6 })) : [],
      );
      if (found.length > 0) answer(found);
      else callback((four as PromiseRejectedResult).reason, []);
    });
  };
}
