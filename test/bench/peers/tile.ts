import { readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { loadSuperResolver } from '../../../gpu-worker/methods/real-esrgan/engine.ts';
import { runNetwork } from '../../support/run-network.ts';
import type { TileCase } from './tile-race.ts';

/** Our engine, spoken to as those in tile.py are. */
const { model, side, input, output } = JSON.parse(process.argv[2] ?? '') as TileCase;
const resolver = await loadSuperResolver({ model, denoise: 1, device: 'cpu' });
const { buffer, byteOffset } = Uint8Array.from(await readFile(input));
const tile = { data: new Float32Array(buffer, byteOffset), shape: [1, 3, side, side] };
const { data } = await runNetwork(resolver, tile);
await writeFile(output, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
console.log(JSON.stringify({ version: process.env.npm_package_version ?? '' }));
for await (const _ of createInterface({ input: process.stdin })) {
  const cpuStarted = process.cpuUsage();
  const started = performance.now();
  await runNetwork(resolver, tile);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpuStarted);
  console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6 }));
}
