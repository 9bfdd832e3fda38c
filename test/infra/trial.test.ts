import { describe, expect, it } from 'vitest';
import { inventoryWithoutGpu } from './checks/inventory.ts';
import { workersWithoutGpu } from './checks/workers.ts';
import { evaluate } from './evaluate.ts';

const trial = await evaluate('trial', { ALERT_EMAIL: 'operator@example.com', GPU: 'off' });

describe.each([inventoryWithoutGpu, workersWithoutGpu])('$name', ({ holds, mistakes }) => {
  it('in a trial', () => {
    holds(trial);
  });

  it.each(Object.entries(mistakes))('and it would be noticed: %s', (_, make) => {
    const mistaken = structuredClone(trial);
    make(mistaken);
    expect(() => holds(mistaken)).toThrow();
  });
});
