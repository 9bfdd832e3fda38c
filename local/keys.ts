import { parseArgs } from 'node:util';
import { z } from 'zod';
import { rotateKeySchema } from '../shared/api.ts';
import { AppError } from '../shared/error.ts';
import { ALL_SCOPES, type ApiKey, capShape, createSecret, type KeyCaps, scopeSchema } from '../shared/keys.ts';
import { createLocalKey, LOCAL_ACCOUNT } from './account.ts';
import { openOperatorState } from './operator-state.ts';

const USAGE = `npm run keys -- create [--name NAME] [--scopes a,b] [--expires-at 2027-01-01T00:00:00Z] [--test] [--json]
    [--spend-cap MICRO_UNITS] [--inflight-cap JOBS] [--origins https://a.example,https://b.example]
npm run keys -- list [--json]
npm run keys -- rotate KEY_ID [--overlap-seconds 0] [--json]
npm run keys -- revoke KEY_ID [--json]

Works on DATA_DIR (default ./data), whether the service runs or not, or on the table on AWS that TABLE names.
--account: whose keys, ${LOCAL_ACCOUNT} by default (npm run accounts -- create).
Scopes: ${ALL_SCOPES.join(', ')} (default: all);
    metrics:read, of the whole service.
--test: its jobs are free and run no network. --origins: pages of other origins may not use the key.
`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      account: { type: 'string', default: LOCAL_ACCOUNT },
      name: { type: 'string', default: 'cli' },
      scopes: { type: 'string' },
      'expires-at': { type: 'string' },
      test: { type: 'boolean', default: false },
      'spend-cap': { type: 'string' },
      'inflight-cap': { type: 'string' },
      origins: { type: 'string' },
      'overlap-seconds': { type: 'string', default: '0' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [command, id, ...rest] = positionals;
  if (values.help) return print(USAGE.trimEnd());
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
      if (!known) throw new AppError('not-found', `There is no key ${id}; "npm run keys -- list" shows them.`);
      const { overlap_seconds } = checked(rotateKeySchema, { overlap_seconds: Number(values['overlap-seconds']) });
      const { secret, hash } = await createSecret(known.test ? 'test' : 'live');
      const given = { hash, last4: secret.slice(-4), overlapSeconds: overlap_seconds };
      printSecret((await state.rotateKey(values.account, id, given))!, secret, values.json);
    } else if (command === 'revoke' && id !== undefined && rest.length === 0) {
      const key = await state.revokeKey(values.account, id);
      if (!key) throw new AppError('not-found', `There is no key ${id}; "npm run keys -- list" shows them.`);
      print(values.json ? JSON.stringify(key) : describe(key));
    } else {
      throw new AppError('invalid', `"${positionals.join(' ')}" is not a command.\n\n${USAGE}`);
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

main().catch((error: unknown) => {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
});
