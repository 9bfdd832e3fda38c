import { z } from '@hono/zod-openapi';
import { issueClaim, openClaim } from '../../shared/claim.ts';
import { AppError } from '../../shared/error.ts';
import { type Caller, isSameOwner, ownerOf } from '../../shared/keys.ts';
import type { Signer } from '../../shared/signature.ts';

/** Where a list goes on, as clients get it: it holds for this list, and for those who see the same things in it. */

type List = 'jobs' | 'deliveries';

const contentSchema = z.object({ list: z.string(), cursor: z.string() });

export function issueCursor(signer: Signer, caller: Caller, list: List, cursor: string): Promise<string> {
  return issueClaim(signer, 'cursor', ownerOf(caller), { list, cursor });
}

/** The cursor that the store gave. Throws `malformed`. */
export async function readCursor(
  signer: Signer,
  caller: Caller,
  list: List,
  given: string | undefined,
): Promise<string | undefined> {
  if (given === undefined) return undefined;
  const claim = await openClaim(signer, 'cursor', given, contentSchema);
  if (claim && claim.content.list === list && isSameOwner(claim.owner, ownerOf(caller))) return claim.content.cursor;
  throw new AppError('malformed', `The cursor "${given.slice(0, 40)}" is not a next_cursor of this list.`);
}
