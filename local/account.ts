import { AppError } from '../shared/error.ts';
import { ALL_SCOPES, type ApiKey, createApiKey, defaultScopes, type KeyCaps, type Scope } from '../shared/keys.ts';
import type { StateStore } from '../shared/ports.ts';

/** A single installation needs one account; its keys differ by name and scopes. */
export const LOCAL_ACCOUNT = 'acc_local';

interface KeyRequest extends KeyCaps {
  /** Default: LOCAL_ACCOUNT, which is made when it is missing. */
  account?: string;
  name: string;
  scopes?: readonly Scope[] | undefined;
  test?: true | undefined;
  expires_at?: string | undefined;
}

/** Throws `not-found` for an account that there is not. */
export async function createLocalKey(
  state: StateStore,
  { account = LOCAL_ACCOUNT, scopes, ...given }: KeyRequest,
): Promise<{ key: ApiKey; secret: string }> {
  const now = Date.now();
  if (!(await state.getAccount(account))) {
    if (account !== LOCAL_ACCOUNT) throw new AppError('not-found', `There is no account ${account}.`);
    await state.createAccount({ id: LOCAL_ACCOUNT, name: 'Local', created_at: new Date(now).toISOString() });
  }
  const { key, secret, hash } = await createApiKey({
    ...given,
    account,
    scopes: scopes ?? defaultScopes(ALL_SCOPES, given),
    now,
  });
  await state.createKey(key, hash);
  return { key, secret };
}

/** The secret of a new key with every scope, where there has been none yet. */
export async function createFirstKey(state: StateStore): Promise<string | undefined> {
  const keys = await state.listKeys(LOCAL_ACCOUNT);
  return keys.length > 0 ? undefined : (await createLocalKey(state, { name: 'first' })).secret;
}
