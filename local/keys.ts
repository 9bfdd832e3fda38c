import { parseArgs } from 'node:util';
import { AppError } from '../shared/error.ts';
import { ALL_SCOPES, type ApiKey, scopeSchema } from '../shared/keys.ts';
import { createLocalKey, LOCAL_ACCOUNT } from './account.ts';
import { readConfig } from './config.ts';
import { openStores } from './stores.ts';

const USAGE = `npm run keys -- create [--name NAME] [--scopes a,b] [--expires-at 2027-01-01T00:00:00Z] [--json]
npm run keys -- list [--json]
npm run keys -- revoke KEY_ID [--json]

Works on DATA_DIR (default ./data), whether the service runs or not.
Scopes: ${ALL_SCOPES.join(', ')} (default: all).
`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      name: { type: 'string', default: 'cli' },
      scopes: { type: 'string' },
      'expires-at': { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [command, id, ...rest] = positionals;
  if (values.help) return print(USAGE.trimEnd());
  const { state, database } = openStores(readConfig(process.env).dataDirectory);
  try {
    if (command === 'create' && id === undefined) {
      const expires_at = values['expires-at'] === undefined ? undefined : parseDate(values['expires-at']);
      const { key, secret } = await createLocalKey(state, {
        name: values.name,
        ...(values.scopes !== undefined && { scopes: values.scopes.split(',').map(parseScope) }),
        expires_at,
      });
      print(
        values.json ? JSON.stringify({ ...key, key: secret }) : `${key.id} ${key.name}, shown this once:\n${secret}`,
      );
    } else if (command === 'list' && id === undefined) {
      const keys = await state.listKeys(LOCAL_ACCOUNT);
      print(values.json ? JSON.stringify(keys) : keys.map(describe).join('\n') || 'No keys yet.');
    } else if (command === 'revoke' && id !== undefined && rest.length === 0) {
      const key = await state.revokeKey(LOCAL_ACCOUNT, id);
      if (!key) throw new AppError('not-found', `There is no key ${id}; "npm run keys -- list" shows them.`);
      print(values.json ? JSON.stringify(key) : describe(key));
    } else {
      throw new AppError('invalid', `"${positionals.join(' ')}" is not a command.\n\n${USAGE}`);
    }
  } finally {
    database.close();
  }
}

function describe(key: ApiKey): string {
  const state = key.revoked_at ? `revoked ${key.revoked_at}` : key.expires_at ? `until ${key.expires_at}` : 'valid';
  return `${key.id}  …${key.last4}  ${key.name}  ${state}  ${key.scopes.join(',')}`;
}

function parseScope(text: string) {
  const scope = scopeSchema.safeParse(text.trim());
  if (!scope.success) throw new AppError('invalid', `"${text}" is not a scope; there are ${ALL_SCOPES.join(', ')}.`);
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
