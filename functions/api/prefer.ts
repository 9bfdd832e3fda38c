import { MAX_WAIT_SECONDS } from '../../shared/limits.ts';

interface Preferences {
  /** 1 to MAX_WAIT_SECONDS; absent: answer at once. */
  waitSeconds?: number;
  /** Value of `Preference-Applied`, where the answer did or did not wait; empty: nothing was asked that was done. */
  appliedWhere: (waited: boolean) => string;
}

/** Reads the Prefer header (RFC 7240): `wait=N` and `respond-async`. Unknown and malformed ones are ignored. */
export function readPrefer(header: string | undefined): Preferences {
  const wait = header?.match(/(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=[;,]|$)/i)?.[1];
  const isAsync = header !== undefined && /(?:^|,)\s*respond-async\s*(?=[;,]|$)/i.test(header);
  const waitSeconds = wait === undefined ? undefined : Math.min(MAX_WAIT_SECONDS, Math.max(1, Number(wait)));
  return {
    ...(waitSeconds !== undefined && { waitSeconds }),
    appliedWhere: (waited) => [isAsync && 'respond-async', waited && `wait=${waitSeconds}`].filter(Boolean).join(', '),
  };
}
