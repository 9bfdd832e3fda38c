import { describe, expect, it } from 'vitest';
import type { Check } from './check.ts';
import { access } from './checks/access.ts';
import { watching } from './checks/alarms.ts';
import { edge } from './checks/edge.ts';
import { functions } from './checks/functions.ts';
import { inventory } from './checks/inventory.ts';
import { storage } from './checks/storage.ts';
import { workers } from './checks/workers.ts';
import { evaluate, loadConfig } from './evaluate.ts';

const CHECKS: Check[] = [inventory, access, ...storage, ...edge, ...functions, ...workers, ...watching];

const production = await evaluate('production', { ALERT_EMAIL: 'operator@example.com' });

it('keeps production, and lets any other stage go', async () => {
  const { app } = await loadConfig();
  expect(app({ stage: 'production' })).toMatchObject({ removal: 'retain', protect: true });
  expect(app({ stage: 'trial' })).toMatchObject({ removal: 'remove', protect: false });
});

describe.each(CHECKS)('$name', ({ holds, mistakes }) => {
  it('in production', () => {
    holds(production);
  });

  it.each(Object.entries(mistakes))('and it would be noticed: %s', (_, make) => {
    const mistaken = structuredClone(production);
    make(mistaken);
    expect(() => holds(mistaken)).toThrow();
  });
});
