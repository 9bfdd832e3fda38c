import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openCheckpoint } from '../../../gpu-worker/weights/open-checkpoint.ts';
import { torchFile } from '../../../training/write-torch.ts';

test('a file of PyTorch is read back as it was written', async () => {
  const tensors = new Map([
    ['layers.0.lora_A', { data: Float32Array.of(1, -2.5, 3e-8, 4, 5, 6), shape: [2, 3] }],
    ['layers.0.lora_B', { data: new Float32Array(300).fill(0.1), shape: [300, 1] }],
    ['scalar', { data: Float32Array.of(7), shape: [] }],
  ]);
  const folder = await mkdtemp(join(tmpdir(), 'seesr-torch-'));
  try {
    const path = join(folder, 'DAPE.pth');
    await writeFile(path, torchFile('DAPE', tensors));
    await using checkpoint = await openCheckpoint(path);
    expect([...checkpoint.tensors]).toEqual([...tensors].map(([name, { shape }]) => [name, { shape, dtype: 'F32' }]));
    for (const [name, { data }] of tensors) expect(await checkpoint.read(name)).toEqual(data);
  } finally {
    await rm(folder, { recursive: true });
  }
});
