import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BenchTable } from '../bench.ts';
import type { TrainingMeasurements } from '../training-case.ts';
import { measureTraining } from '../training-process.ts';
import { DENOISER } from '../training-sizes.ts';
import { peerEnvironment, peerScript } from './python-peer.ts';

const execute = promisify(execFile);

type Cost = Awaited<ReturnType<TrainingMeasurements['denoiser']>> & { peakBytes: number };
type TorchCost = Cost & { version: string };

/**
 * Steps of the denoiser's training, ours and in PyTorch: same network, same random weights, same item, in turn.
 * `side`: of the latent.
 */
export async function raceTraining(side: number, steps: number, turns: number): Promise<BenchTable> {
  const title = `Training of the denoiser, latent of ${side}×${side}, ${turns} turns of ${steps} steps`;
  const directory = await mkdtemp(join(tmpdir(), 'seesr-training-'));
  const [own, others]: [Cost[], TorchCost[]] = [[], []];
  try {
    for (let turn = 0; turn < turns; turn++) {
      own.push(await measureTraining('denoiser', { directory, side, steps }));
      others.push(await trainInTorch({ directory, side, steps }));
    }
  } catch (error) {
    if (own.length === 0) throw error;
    const reason = (error as Error).message.trim().split('\n').at(-1);
    return { title, rows: [ourRow(own), { engine: PEER, version: `not measured: ${reason}` }], note: NOTE };
  } finally {
    await rm(directory, { recursive: true });
  }
  const { version, losses } = others[0]!;
  const difference = Math.max(...losses.map((loss, step) => Math.abs(loss - own[0]!.losses[step]!) / loss));
  const row = { engine: PEER, version, ...columns(others, others), 'difference of the losses': scientific(difference) };
  return { title, rows: [{ ...ourRow(own), ...columns(own, others) }, row], note: NOTE };
}

const PEER = 'PyTorch, eager';
const NOTE = `ControlNet and the UNet's image attention are trained as published, all widths a fifth of the published ones: forward, back, clipping, AdamW. A process for every turn; the fastest of its steps, and the least of all turns. The losses of all steps are compared, each behind those that came before it.`;

async function trainInTorch(given: { directory: string; side: number; steps: number }): Promise<TorchCost> {
  const env = await peerEnvironment('torch');
  const words = JSON.stringify({ ...given, ...DENOISER, threads: availableParallelism() });
  const { stdout } = await execute('python3', [peerScript('training_step.py'), words], { env });
  return JSON.parse(stdout) as TorchCost;
}

function ourRow(own: Cost[]) {
  return { engine: 'ours', version: process.env.npm_package_version ?? '', ...columns(own, own) };
}

function columns(costs: Cost[], peers: Cost[]) {
  const least = (of: Cost[], key: 'seconds' | 'cpuSeconds') => Math.min(...of.map((cost) => cost[key]));
  return {
    'least (s)': round(least(costs, 'seconds')),
    'CPU, least (s)': round(least(costs, 'cpuSeconds')),
    "share of PyTorch's steps a second": round(least(peers, 'seconds') / least(costs, 'seconds')),
    'the same by CPU seconds': round(least(peers, 'cpuSeconds') / least(costs, 'cpuSeconds')),
    'peak RSS (GB)': round(Math.max(...costs.map(({ peakBytes }) => peakBytes)) / 1e9),
  };
}

const round = (value: number) => Number(value.toPrecision(3));
const scientific = (value: number) => value.toExponential(1);
