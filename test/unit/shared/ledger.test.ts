import { describe, expect, test } from 'vitest';
import type { Job } from '../../../shared/job.ts';
import type { LedgerEntry } from '../../../shared/ledger.ts';
import { findLedgerProblems, type Statement } from '../../../shared/ledger.ts';
import { PRICE_LISTS, rateOf } from '../../../shared/pricing.ts';

const PARAMETERS = { model: 'real-esrgan', scale: 4, seed: 0, format: 'png', quality: 90, metadata: 'keep' } as const;

type Entry = [kind: LedgerEntry['kind'], amount: number];

/** An account with one job, whose ledger and balance are as told. */
function statement(
  status: Job['status'],
  charge: Job['charge'],
  entries: Entry[],
  { balance, ...more }: Partial<Job> & { balance?: number } = {},
): Statement {
  const all: LedgerEntry[] = entries.map(([kind, amount], index) => ({
    id: `led_${index}`,
    account: 'acc',
    kind,
    amount,
    created_at: '',
    ...(kind !== 'top_up' && { job_id: 'job_1' }),
  }));
  const sum = all.reduce((total, { amount }) => total + amount, 0);
  return {
    balance: balance ?? sum,
    entries: all,
    jobs: [{ id: 'job_1', status, charge, parameters: PARAMETERS, ...more }],
  };
}

const RESERVED = { state: 'reserved', amount: 5 } as const;
const CAPTURED = { state: 'captured', amount: 5 } as const;
const RELEASED = { state: 'released', amount: 5 } as const;
const NEVER = { state: 'released', amount: 0 } as const;
const PENDING = { state: 'pending', amount: 0 } as const;

describe('findLedgerProblems', () => {
  test.each([
    ['awaiting_upload', PENDING, []],
    [
      'queued',
      RESERVED,
      [
        ['top_up', 9],
        ['reserve', -5],
      ],
    ],
    ['running', RESERVED, [['reserve', -5]]],
    [
      'succeeded',
      CAPTURED,
      [
        ['reserve', -5],
        ['capture', 0],
      ],
    ],
    [
      'failed',
      RELEASED,
      [
        ['reserve', -5],
        ['release', 5],
      ],
    ],
    ['canceled', NEVER, []],
    [
      'canceled',
      NEVER,
      [
        ['reserve', 0],
        ['release', 0],
      ],
    ],
  ] as [Job['status'], Job['charge'], Entry[]][])('finds none in %s, %o, %o', (status, charge, entries) => {
    expect(findLedgerProblems(statement(status, charge, entries))).toEqual([]);
  });

  test.each([
    ['queued', RESERVED, []],
    ['queued', RESERVED, [['reserve', -4]]],
    [
      'queued',
      CAPTURED,
      [
        ['reserve', -5],
        ['capture', 0],
      ],
    ],
    ['succeeded', RESERVED, [['reserve', -5]]],
    ['succeeded', CAPTURED, [['reserve', -5]]],
    ['succeeded', CAPTURED, [['capture', 0]]],
    ['failed', RELEASED, [['reserve', -5]]],
    [
      'failed',
      RELEASED,
      [
        ['reserve', -5],
        ['release', 4],
      ],
    ],
    [
      'failed',
      RELEASED,
      [
        ['reserve', -5],
        ['release', 5],
        ['capture', 0],
      ],
    ],
    [
      'failed',
      CAPTURED,
      [
        ['reserve', -5],
        ['capture', 0],
      ],
    ],
    ['awaiting_upload', PENDING, [['reserve', 0]]],
  ] as [Job['status'], Job['charge'], Entry[]][])('finds one in %s, %o, %o', (status, charge, entries) => {
    expect(findLedgerProblems(statement(status, charge, entries))).toHaveLength(1);
  });

  test('compares the balance, and knows every job', () => {
    const short = statement('queued', RESERVED, [['reserve', -5]], { balance: -4 });
    expect(findLedgerProblems(short)).toEqual(['The balance is -4, the ledger adds up to -5.']);
    expect(findLedgerProblems({ ...short, balance: -5, jobs: [] })[0]).toContain('job_1');
  });

  describe('computes prices again', () => {
    const { standard } = PRICE_LISTS;
    // 800 × 400 pixels of the result at 2,000 a megapixel are less than the minimum; 4000 × 2000 are 16,000.
    const input = { width: 1000, height: 500, bytes: 1, format: 'png' } as const;
    const rate = rateOf({ model: 'real-esrgan' }, standard);
    const captured = (amount: number, more: Partial<Job> = {}) => {
      const entries: Entry[] = [
        ['reserve', -amount || 0],
        ['capture', 0],
      ];
      return statement('succeeded', { state: 'captured', amount }, entries, { input, rate, ...more });
    };

    test.each<[string, number, Partial<Job>]>([
      ['by the rate of the job', 16_000, {}],
      ['of a small photo the minimum', 1000, { input: { ...input, width: 1, height: 1 } }],
      ['by the rate of an earlier list', 8_000, { rate: { minimum: 0, per_output_megapixel: 1000 } }],
      ['by the work, however small the result', 16_000, { parameters: { ...PARAMETERS, scale: 1 } }],
      [
        'by the result where that was the rate',
        2_000,
        { parameters: { ...PARAMETERS, scale: 2 }, rate: { minimum: 0, per_output_megapixel: 1000 } },
      ],
      ['of test mode nothing', 0, { test: true }],
      ['of a preview nothing', 0, { parameters: { ...PARAMETERS, preview: { x: 0, y: 0, width: 9, height: 9 } } }],
      ['of tags nothing', 0, { task: 'tags' }],
      ['of an earlier version any price', 7, { rate: undefined }],
    ])('%s', (_name, amount, more) => {
      expect(findLedgerProblems(captured(amount, more))).toEqual([]);
      if ('rate' in more && !more.rate) return;
      const [problem, ...others] = findLedgerProblems(captured(amount + 1, more));
      expect(problem).toContain(`its price is ${amount}`);
      expect(others).toEqual([]);
    });

    test('a live job that was charged nothing is found, even after a quote of nothing', () => {
      const terms = { quote: { width: 1000, height: 500, price: 0, rate } };
      expect(findLedgerProblems(captured(0, { terms }))[0]).toContain('its price is 16000');
    });

    test('of jobs that kept no rate by a list that is named', () => {
      const old = (amount: number) => findLedgerProblems(captured(amount, { rate: undefined }), standard);
      expect(old(16_000)).toEqual([]);
      expect(old(0)).toHaveLength(1);
      const small = { rate: undefined, parameters: { ...PARAMETERS, scale: 2 } };
      expect(findLedgerProblems(captured(4_000, small), standard)).toEqual([]); // they paid by the result
    });

    test('reserved and released prices too, and none of a job whose photo never came', () => {
      const reserved = statement('queued', RESERVED, [['reserve', -5]], { input, rate });
      expect(findLedgerProblems(reserved)).toHaveLength(1);
      const released = statement(
        'failed',
        RELEASED,
        [
          ['reserve', -5],
          ['release', 5],
        ],
        { input, rate },
      );
      expect(findLedgerProblems(released)).toHaveLength(1);
      expect(findLedgerProblems(statement('expired', NEVER, [], { rate }))).toEqual([]);
    });
  });
});
