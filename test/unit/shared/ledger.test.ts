import { describe, expect, test } from 'vitest';
import type { Job } from '../../shared/job.ts';
import { findLedgerProblems, type Statement } from '../../shared/ledger.ts';
import type { LedgerEntry } from '../../shared/ports.ts';

type Entry = [kind: LedgerEntry['kind'], amount: number];

/** An account with one job, whose ledger and balance are as told. */
function statement(status: Job['status'], charge: Job['charge'], entries: Entry[], balance?: number): Statement {
  const all: LedgerEntry[] = entries.map(([kind, amount], index) => ({
    id: `led_${index}`,
    account: 'acc',
    kind,
    amount,
    created_at: '',
    ...(kind !== 'top_up' && { job_id: 'job_1' }),
  }));
  const sum = all.reduce((total, { amount }) => total + amount, 0);
  return { balance: balance ?? sum, entries: all, jobs: [{ id: 'job_1', status, charge }] };
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
    const short = statement('queued', RESERVED, [['reserve', -5]], -4);
    expect(findLedgerProblems(short)).toEqual(['The balance is -4, the ledger adds up to -5.']);
    expect(findLedgerProblems({ ...short, balance: -5, jobs: [] })[0]).toContain('job_1');
  });
});
