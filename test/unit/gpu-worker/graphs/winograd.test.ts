import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { InferenceSession } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import type { Graph } from '../../../../gpu-worker/graphs/onnx.ts';
import { REAL_ESRGAN_X4PLUS, rrdbnetStages } from '../../../../gpu-worker/graphs/rrdbnet.ts';
import { REAL_ESRGAN_GENERAL_X4V3, srvggByWinograd } from '../../../../gpu-worker/graphs/srvgg.ts';
import { compileModel } from '../../../../gpu-worker/runtime/compile.ts';
import { DEVICES } from '../../../../gpu-worker/runtime/devices.ts';
import { elementCount } from '../../../../gpu-worker/tensor/tensor.ts';

/** How often ONNX Runtime uses each operator, those of its blocked layout with `blocked`, and convolutions that add. */
async function operatorsOf(graph: Graph): Promise<Record<string, number>> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-winograd-'));
  try {
    const optimizedModelFilePath = join(directory, 'optimized.onnx');
    const model = await compileModel(graph, async (name) => new Float32Array(elementCount(graph.weights.get(name)!)));
    const session = await InferenceSession.create(model, { optimizedModelFilePath, logSeverityLevel: 4 });
    await session.release();
    const { node } = fromBinary(ModelProtoSchema, await readFile(optimizedModelFilePath)).graph!;
    const counts: Record<string, number> = {};
    for (const { opType, domain, input } of node) {
      const name = `${domain.endsWith('nchwc') ? 'blocked ' : ''}${opType}${opType === 'Conv' && input[3] ? ' and sum' : ''}`;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  } finally {
    await rm(directory, { recursive: true });
  }
}

test.runIf(DEVICES.cpu.gainsByWinograd).each([
  ['the compact network', srvggByWinograd({ ...REAL_ESRGAN_GENERAL_X4V3, convolutions: 2 })],
  ['a residual block', rrdbnetStages({ ...REAL_ESRGAN_X4PLUS, blocks: 1 })[1]!.byWinograd!],
])('by Winograd %s stays in the blocked layout, and most sums are a part of convolutions', async (_, graph) => {
  const counts = await operatorsOf(graph);
  expect(counts['blocked Conv and sum']).toBeGreaterThan(1.5 * counts.Add!);
  // At both ends; a picture of three channels is taken as it is.
  expect(counts['blocked ReorderInput'] ?? 0).toBeLessThanOrEqual(1);
  expect(counts['blocked ReorderOutput']).toBe(2);
  expect(counts).not.toHaveProperty('Conv');
});
