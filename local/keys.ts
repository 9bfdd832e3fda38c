import { z } from 'zod';
import { notACommand, runCommand } from '../shared/adapters/node/command.ts';
import type { Values } from '../shared/adapters/node/command-line.ts';
import { rotateKeySchema } from '../shared/api.ts';
import { AppError } from '../shared/error.ts';
import { ALL_SCOPES, type ApiKey, capShape, createSecret, type KeyCaps, scopeSchema } from '../shared/keys.ts';
import { DEFAULT_OVERLAP_SECONDS } from '../shared/limits.ts';
import { createLocalKey, LOCAL_ACCOUNT } from './account.ts';
import { openOperatorState } from './operator-state.ts';

const OPTIONS = {
  account: { value: 'ACCOUNT', about: 'owner of the keys; "seesr accounts create" makes one', default: LOCAL_ACCOUNT },
  name: { value: 'NAME', about: 'display name of the key', default: 'cli' },
  scopes: {
    value: 'A,B',
    about: `${ALL_SCOPES.join(', ')} (default all), or metrics:read, which is of the whole service`,
  },
  'expires-at': { value: 'DATE', about: 'its end, such as 2027-01-01T00:00:00Z' },
  test: { about: 'its jobs are free and run no network' },
  'spend-cap': { value: 'N', about: 'micro-units that its jobs may cost in all' },
  'inflight-cap': { value: 'N', about: 'jobs that may be unfinished at once' },
  origins: { value: 'A,B', about: 'the only origins whose pages may use it, such as https://a.example' },
  'overlap-seconds': {
    value: 'N',
    about: 'so long the secret until now stays valid; 0: not at all',
    default: String(DEFAULT_OVERLAP_SECONDS),
  },
  json: { about: 'print JSON, for scripts' },
} as const;

async function keys(values: Values<typeof OPTIONS>, words: string[]): Promise<void> {
  const [command, id, ...rest] = words;
  const { state, close } = openOperatorState(process.env);
  try {
    if (command === 'create' && id === undefined) {
      const expires_at = values['expires-at'] === undefined ? undefined : parseDate(values['expires-at']);
      const { key, secret } = await createLocalKey(state, {
        account: values.account,
        name: values.name,
        ...(values.scopes !== undefined && { scopes: values.scopes.split(',').map(parseScope) }),
        ...(values.test && { test: true }),
        ...parseCaps(values),
        expires_at,
      });
      printSecret(key, secret, values.json);
    } else if (command === 'list' && id === undefined) {
      const keys = await state.listKeys(values.account);
      print(values.json ? JSON.stringify(keys) : keys.map(describe).join('\n') || 'No keys yet.');
    } else if (command === 'rotate' && id !== undefined && rest.length === 0) {
      const known = (await state.listKeys(values.account)).find((key) => key.id === id);
      if (!known) throw new AppError('not-found', `There is no key ${id}; "seesr keys list" shows them.`);
      const { overlap_seconds } = checked(rotateKeySchema, { overlap_seconds: Number(values['overlap-seconds']) });
      const { secret, hash } = await createSecret(known.test ? 'test' : 'live');
      const changes = { last4: secret.slice(-4), rotated_at: new Date().toISOString() };
      await state.rotateKey(values.account, id, { hash, ...changes, overlapSeconds: overlap_seconds });
      const { spent: _spent, ...key } = known;
      printSecret({ ...key, ...changes }, secret, values.json);
    } else if (command === 'revoke' && id !== undefined && rest.length === 0) {
      const key = await state.revokeKey(values.account, id);
      if (!key) throw new AppError('not-found', `There is no key ${id}; "seesr keys list" shows them.`);
      print(values.json ? JSON.stringify(key) : describe(key));
    } else {
      throw notACommand('keys', words);
    }
  } finally {
    close();
  }
}

function describe(key: ApiKey): string {
  const state = key.revoked_at ? `revoked ${key.revoked_at}` : key.expires_at ? `until ${key.expires_at}` : 'valid';
  const used = key.last_used_at ? `used ${key.last_used_at}` : 'never used';
  return `${key.id}  …${key.last4}  ${key.name}  ${state}  ${used}  ${key.scopes.join(',')}`;
}

function printSecret(key: ApiKey, secret: string, asJson: boolean): void {
  print(asJson ? JSON.stringify({ ...key, key: secret }) : `${key.id} ${key.name}, shown this once:\n${secret}`);
}

function parseCaps(values: { 'spend-cap'?: string; 'inflight-cap'?: string; origins?: string }): KeyCaps {
  return checked(z.object(capShape), {
    spend_cap: values['spend-cap'] === undefined ? undefined : Number(values['spend-cap']),
    inflight_cap: values['inflight-cap'] === undefined ? undefined : Number(values['inflight-cap']),
    allowed_origins: values.origins?.split(','),
  });
}

function checked<Schema extends z.ZodType>(schema: Schema, given: unknown): z.output<Schema> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new AppError(
    'invalid',
    parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
  );
}

function parseScope(text: string) {
  const scope = scopeSchema.safeParse(text.trim());
  if (!scope.success)
    throw new AppError('invalid', `"${text}" is not a scope; there are ${scopeSchema.options.join(', ')}.`);
  return scope.data;
}

function parseDate(text: string): string {
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw new AppError('invalid', `--expires-at "${text}" is not a date such as 2027-01-01T00:00:00Z.`);
  if (time <= Date.now()) throw new AppError('invalid', `--expires-at ${text} is in the past.`);
  return new Date(time).toISOString();
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

runCommand({
  name: 'keys',
  usage: [
    'create [--name NAME] [--scopes A,B] [--test] …',
    'list',
    'rotate KEY_ID [--overlap-seconds N]',
    'revoke KEY_ID',
  ],
  about:
    'Works on DATA_DIR (default ./data), whether the service runs or not, or on the table on AWS that TABLE names.',
  options: OPTIONS,
  takesWords: true,
  run: keys,
});
