import { expect, test } from 'vitest';
import { listCuda } from '../../../../gpu-worker/runtime/list-cuda.ts';

const H200 = 'NVIDIA H200';
const SCREEN = 'NVIDIA GeForce GT 1030';

test.each([
  { what: 'no program to ask', names: [], indices: [0] },
  { what: 'one GPU', names: [H200], indices: [0] },
  { what: 'three equal GPUs', names: [H200, H200, H200], indices: [0, 1, 2] },
  { what: 'two of three made visible', names: [H200, SCREEN, H200], visible: '0,2', indices: [0, 1] },
  { what: 'those before a word that ends the list', names: [H200, H200], visible: 'GPU-1f,-1,0', indices: [0] },
  { what: 'none made visible, which CUDA itself tells', names: [H200, H200], visible: '', indices: [0] },
])('with $what, these are tried: $indices', ({ names, visible, indices }) => {
  const listed = listCuda(names, visible);
  expect(listed.map(({ index }) => index)).toEqual(indices);
  expect(listed.some(({ obstacle }) => obstacle !== undefined)).toBe(false);
});

test('of GPUs that differ the first is tried, and of the others it is said how to name them', () => {
  const [first, second] = listCuda([SCREEN, H200], undefined);
  expect(first).toEqual({ index: 0 });
  expect(second).toEqual({
    index: 1,
    obstacle: `The GPUs differ (${SCREEN}, ${H200}): DEVICE or CUDA_VISIBLE_DEVICES names more than the first.`,
  });
});
