import { expect, test } from 'vitest';
import { parseDevices, placeName } from '../../../../gpu-worker/runtime/device-places.ts';

/** What DEVICE and --device may say. */

test.each([
  ['cpu', ['cpu']],
  ['CPU', ['cpu']],
  ['cpu:0', ['cpu']],
  ['cuda', ['cuda:0']],
  ['cuda:15', ['cuda:15']],
  ['cuda:1,cuda:0', ['cuda:1', 'cuda:0']],
  ['cuda:0,cpu', ['cuda:0', 'cpu']],
])('%s', (text, names) => {
  const asked = parseDevices(text);
  expect(asked === 'auto' ? asked : asked.map(placeName)).toEqual(names);
});

test('auto is left to the machine', () => {
  expect([parseDevices('auto'), parseDevices('Auto')]).toEqual(['auto', 'auto']);
});

test.each([
  ['gpu', /^expected auto, or some of cpu, cuda/],
  ['', /^expected/],
  ['cuda:', /^expected/],
  ['cuda:01', /^expected/],
  ['cuda:-1', /^expected/],
  ['cuda:1.5', /^expected/],
  ['cuda:one', /^expected/],
  ['cuda;1', /^expected/],
  ['cuda:0,', /^expected/],
  [',cuda', /^expected/],
  ['auto,cpu', /^expected/],
  ['auto:0', /^expected/],
  ['constructor', /^expected/],
  ['cuda:0, cuda:1', /^has a blank/],
  ['cuda :0', /^has a blank/],
  ['cuda:16', /^cuda:16: an index is 0 to 15$/],
  ['cuda:999999999', /an index is 0 to 15/],
  ['cpu:1', /^cpu:1: cpu has no index but 0$/],
  ['cuda,cuda:0', /^names cuda:0 twice/],
  ['cuda:1,cuda:0,cuda:1', /^names cuda:1 twice/],
  ['cpu,cpu', /^names cpu twice; WORKERS is the number of processes on the CPU$/],
])('%j is refused', (text, fault) => {
  expect(() => parseDevices(text)).toThrow(fault);
});
