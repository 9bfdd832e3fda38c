import { MAX_WAIT_SECONDS } from '../../shared/limits.ts';

interface Preferences {
  /** 1 to MAX_WAIT_SECONDS; absent: answer at once. */
  waitSeconds?: number;
  /** Value of `Preference-Applied`; absent: nothing was asked that is known here. */
  applied?: string;
}

/** Reads the Prefer header (RFC 7240): `wait=N` and `respond-async`. What is unknown or malformed is ignored. */
export function readPrefer(header: string | undefined): Preferences {
  const wait = header?.match(/(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=[;,]|$)/i)?.[1];
  const isAsync = header !== undefined && /(?:^|,)\s*respond-async\s*(?=[;,]|$)/i.test(header);
  const waitSeconds = wait === undefined ? undefined : Math.min(MAX_WAIT_SECONDS, Math.max(1, Number(wait)));
  const applied = [isAsync && 'respond-async', waitSeconds !== undefined && `wait=${waitSeconds}`].filter(Boolean);
  return {
    ...(waitSeconds !== undefined && { waitSeconds }),
    ...(applied.length > 0 && { applied: applied.join(', ') }),
  };
}
