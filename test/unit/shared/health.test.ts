import { expect, test } from 'vitest';
import { blocking, createHealth, engineStates } from '../../../shared/health.ts';
import { createLog } from '../../../shared/log.ts';

/** Several engines: one that is out is told, and keeps nobody from the work of the others. */

const silent = createLog('silent', () => {});
const NAMES = ['cuda:0', 'cuda:1'];

test('an engine that is out is no trouble of the service while another one works', () => {
  const health = createHealth(silent);
  health.fail('engine cuda:1', new Error('fell off the bus'));
  health.fail('queue', new Error('locked'));
  expect(engineStates(health.troubles(), NAMES)).toEqual([
    { name: 'cuda:0', working: true },
    { name: 'cuda:1', working: false },
  ]);
  expect(blocking(health.troubles(), NAMES).map(({ part }) => part)).toEqual(['queue']);
  health.fail('engine cuda:0', new Error('fell off the bus'));
  expect(blocking(health.troubles(), NAMES).map(({ part }) => part)).toEqual([
    'engine cuda:1',
    'queue',
    'engine cuda:0',
  ]);
  health.recover('engine cuda:1');
  expect(blocking(health.troubles(), NAMES).map(({ part }) => part)).toEqual(['queue']);
});

test('the only engine is one, and a service without any has none', () => {
  const health = createHealth(silent);
  health.fail('engine', new Error('no memory'));
  expect(engineStates(health.troubles(), ['cpu'])).toEqual([{ name: 'cpu', working: false }]);
  expect(blocking(health.troubles(), ['cpu'])).toHaveLength(1);
  expect(blocking(health.troubles(), [])).toHaveLength(1);
});

test('silence is that of the worker which has been silent for longest', () => {
  let now = 0;
  const health = createHealth(silent, () => now);
  now = 5_000;
  expect(health.silentSeconds()).toBe(5);
  health.live('cuda:0');
  health.live('cuda:1');
  now = 15_000;
  health.live('cuda:0');
  now = 18_000;
  expect(health.silentSeconds()).toBe(13);
});
