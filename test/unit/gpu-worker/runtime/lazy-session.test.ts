import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGraphBuilder } from '../../../../gpu-worker/graphs/onnx.ts';
import { writeModel } from '../../../../gpu-worker/runtime/compile.ts';
import { createLazySession } from '../../../../gpu-worker/runtime/session.ts';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-lazy-'));
  path = join(directory, 'double.onnx');
  const graph = createGraphBuilder('double');
  const input = graph.input('input', [2]);
  graph.output('output', graph.node('Mul', [input, graph.weight('weight', [2])]), [2]);
  await writeModel(graph.build(), async () => new Float32Array([2, 3]), path);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const input = { data: new Float32Array([5, 7]), shape: [2] };

// A session that has left the memory must be read again: without its file that is seen.
test('a session stays loaded', async () => {
  const session = createLazySession(path, 'cpu');
  expect((await session.run({ input })).output!.data).toEqual(new Float32Array([10, 21]));
  await rm(directory, { recursive: true });
  expect((await session.run({ input })).output!.data).toEqual(new Float32Array([10, 21]));
  await session.release();
  await expect(session.run({ input })).rejects.toThrow();
});

test('one that is not to stay leaves after every run, and comes back for the next', async () => {
  const session = createLazySession(path, 'cpu', { stays: false });
  for (let run = 0; run < 2; run++) {
    expect((await session.run({ input })).output!.data).toEqual(new Float32Array([10, 21]));
  }
  await rm(directory, { recursive: true });
  await expect(session.run({ input })).rejects.toThrow();
});
