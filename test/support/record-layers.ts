import { writeFile } from 'node:fs/promises';
import { FULL_PRECISION } from '../../gpu-worker/graphs/onnx.ts';
import { runLayer, samplesOf } from '../../gpu-worker/runtime/check-layers.ts';
import { LAYER_KINDS } from '../../gpu-worker/runtime/checked-layers.ts';
import { DEVICES } from '../../gpu-worker/runtime/devices.ts';

/** Writes what the CPU computes of every kind of layer: `node test/support/record-layers.ts`. */
const FILE = new URL('../../gpu-worker/runtime/recorded-layers.json', import.meta.url);
const DIGITS = 7;

const recorded: Record<string, number[]> = {};
for (const name of LAYER_KINDS) {
  const output = await runLayer(name, 'cpu', DEVICES.cpu, FULL_PRECISION);
  recorded[name] = samplesOf(output).map((value) => Number(value.toPrecision(DIGITS)));
}
await writeFile(FILE, `${JSON.stringify(recorded)}\n`);
