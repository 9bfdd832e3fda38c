import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { takeDataDirectory } from '../../../../local/data-directory.ts';
import type { LedgerEntry } from '../../../../shared/ledger.ts';
import { flatPrices } from '../../../support/prices.ts';
import {
  bodyOf,
  createService,
  pngOf,
  problemOf,
  type Service,
  submit,
  succeed,
  upload,
} from '../../../support/service.ts';

describe('balance and usage', () => {
  let service: Service;
  beforeEach(async () => {
    service = await createService({ prices: flatPrices(500) });
    await service.state.topUp({ account: 'acc_one', amount: 2_000, payment: 'first' });
  });
  afterEach(() => service.close());

  test('show the reserved, released and charged amounts', async () => {
    const balance = () => bodyOf<object>(service.call('GET', '/v1/balance'));
    expect(await balance()).toEqual({ balance: 2_000, prices: 'flat' });
    const upload_id = await upload(service, await pngOf(4, 4));
    const [done, canceled] = [await submit(service, upload_id), await submit(service, upload_id)];
    await submit(service, upload_id, { model: 'real-esrgan-fast' });
    expect(await balance()).toMatchObject({ balance: 500 });
    await succeed(service, done.id);
    await service.call('POST', `/v1/jobs/${canceled.id}/cancel`);
    expect(await balance()).toMatchObject({ balance: 1_000 });
    expect(await bodyOf(service.call('GET', '/v1/usage'))).toEqual({
      from: '2025-12-03',
      to: '2026-01-01',
      data: [
        { day: '2026-01-01', model: 'real-esrgan', jobs: 2, succeeded: 1, captured: 500 },
        { day: '2026-01-01', model: 'real-esrgan-fast', jobs: 1, succeeded: 0, captured: 0 },
      ],
    });
    const other = await service.newKey('acc_two');
    const theirs = service.call('GET', '/v1/usage?from=2026-01-01&to=2026-01-01', { key: other.secret });
    expect(await bodyOf(theirs)).toEqual({ from: '2026-01-01', to: '2026-01-01', data: [] });
  });

  test.each(['from=2026-01-02&to=2026-01-01', 'from=2020-01-01', 'from=yesterday', 'day=2026-01-01'])(
    'usage?%s is refused',
    async (query) => {
      const response = await service.call('GET', `/v1/usage?${query}`);
      expect((await problemOf(response)).code).toBe('invalid');
    },
  );

  test('need the scope usage:read', async () => {
    const { secret } = await service.newKey('acc_one', ['jobs:read']);
    for (const path of ['/v1/balance', '/v1/usage']) {
      expect((await service.call('GET', path, { key: secret })).status).toBe(403);
    }
  });
});

describe('npm run accounts', () => {
  let directory: string;
  let release: () => void;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'seesr-accounts-'));
    ({ release } = await takeDataDirectory(directory)); // as a running service does
  });
  afterEach(async () => {
    release();
    await rm(directory, { recursive: true });
  });

  const run = async (script: 'accounts' | 'keys', ...words: string[]) => {
    const path = fileURLToPath(new URL(`../../../../local/${script}.ts`, import.meta.url));
    const env = { ...process.env, DATA_DIR: directory };
    const { stdout } = await promisify(execFile)(process.execPath, [path, ...words], { env });
    return stdout;
  };
  const json = async <Value>(...words: string[]) => JSON.parse(await run('accounts', ...words, '--json')) as Value;

  test('makes an account, tops it up once a payment, gives it keys, and finds its ledger right', async () => {
    const { id } = await json<{ id: string }>('create', '--name', 'Studio');
    for (let i = 0; i < 2; i++) await run('accounts', 'top-up', '5000', '--account', id, '--payment', 'invoice-1');
    expect((await run('accounts', 'balance', '--account', id)).trim()).toBe('5000');
    expect(await json('list')).toMatchObject([{ id, name: 'Studio', balance: 5000 }]);
    const ledger = await json<LedgerEntry[]>('ledger', '--account', id);
    expect(ledger).toMatchObject([{ account: id, kind: 'top_up', amount: 5000 }]);
    expect(JSON.parse(await run('keys', 'create', '--account', id, '--json'))).toMatchObject({ account: id });
    expect(await run('keys', 'list', '--account', id)).toContain('key_');
    expect(await run('accounts', 'check')).toBe('All is right.\n');
  });

  test.each([
    [['top-up', '5000'], 1, 'acc_local'],
    [['top-up', '0.5'], 1, '0.5'],
    [['top-up', 'much'], 1, 'NaN'],
    [['create'], 2, '"create" is not a command, or lacks something; "seesr accounts --help"'],
    [['check', 'it'], 2, '"check it" is not a command'],
  ])('%j ends with %d, saying %s', async (words, code, text) => {
    await expect(run('accounts', ...words)).rejects.toMatchObject({ code, stderr: expect.stringContaining(text) });
  });

  test('keys of an account that is not there are refused', async () => {
    await expect(run('keys', 'create', '--account', 'acc_none')).rejects.toMatchObject({ code: 1 });
  });
});
