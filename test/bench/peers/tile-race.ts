import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openInstalled } from '../../../gpu-worker/model-store/installed.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';
import { openSafetensors } from '../../../gpu-worker/weights/safetensors.ts';
import type { RealEsrganId } from '../../../shared/methods/real-esrgan.ts';
import { percentile } from '../../support/fleet-simulator.ts';
import { uniform } from '../../support/random-seesr.ts';
import type { BenchTable } from '../bench.ts';
import { publishedGraph } from './published-graph.ts';
import { type PeerEngine, peerEnvironment, peerScript } from './python-peer.ts';

export interface TileCase {
  model: RealEsrganId;
  /** Of the square tile, in pixels of the input. */
  side: number;
  /** Files of fp32: [1, 3, side, side], and four times as large. */
  input: string;
  output: string;
}

type Engine = 'ours' | PeerEngine;

interface Racer {
  engine: Engine;
  version: string;
  turn(): Promise<void>;
  seconds: number[];
  cpuSeconds: number[];
  result: Float32Array;
  peakBytes(): Promise<number>;
  end(): void;
}

const OURS = fileURLToPath(new URL('./tile.ts', import.meta.url));
const LABELS: Record<Engine, string> = {
  ours: 'ours',
  onnxruntime: 'ONNX Runtime, published graph',
  torch: 'PyTorch, eager',
  openvino: 'OpenVINO',
  ncnn: 'ncnn',
};
const ENGINES = Object.keys(LABELS) as Engine[];
const NOTE = `Every engine is a process of its own and computes in fp32 with as many threads as there are cores, which sleep while they wait; all take turns. Ratios are medians over the turns. ONNX Runtime runs the graph as it is published (with PRelu), from Python. The difference is the largest of any number of the output, where 1/255 is one step of 8 bits.`;

/** The same tile through every engine, `turns` times in turn. An engine that cannot be had is a row that says why. */
export async function raceTiles(model: RealEsrganId, side: number, turns: number): Promise<BenchTable> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-peers-'));
  const racers: Racer[] = [];
  const missing: BenchTable['rows'] = [];
  try {
    const pixels = uniform(3 * side * side, 1, 0.5, 0.5 / Math.sqrt(3));
    await writeFile(join(directory, 'input'), new Uint8Array(pixels.buffer));
    await writeFile(join(directory, 'model.onnx'), await modelBytes(model));
    for (const engine of ENGINES) {
      try {
        racers.push(await startRacer(engine, model, side, directory));
      } catch (error) {
        if (engine === 'ours') throw error;
        missing.push({ engine: LABELS[engine], version: `not measured: ${reasonOf(error)}` });
      }
    }
    for (let turn = 0; turn < turns; turn++) for (const racer of racers) await racer.turn();
    const rows = await Promise.all(racers.map((racer) => rowOf(racer, racers[0]!)));
    return { title: `${model}, a tile of ${side}×${side}, ${turns} turns`, rows: [...rows, ...missing], note: NOTE };
  } finally {
    for (const racer of racers) racer.end();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Of real-esrgan-fast at denoise 1, which is just one file of weights. */
async function modelBytes(model: RealEsrganId): Promise<Uint8Array> {
  await using checkpoint = await openSafetensors(await weightsOf(model));
  return await compileModel(publishedGraph(model), checkpoint.read);
}

async function weightsOf(model: RealEsrganId): Promise<string> {
  const { directory, manifest } = await openInstalled('', model);
  return join(directory, manifest.files[0]!.file);
}

/** Resolves when it has run the tile once. */
async function startRacer(engine: Engine, model: RealEsrganId, side: number, directory: string) {
  const folder = join(directory, engine);
  await mkdir(folder);
  const own: TileCase = { model, side, input: join(directory, 'input'), output: join(folder, 'output') };
  const others = { weights: weightsOf(model), onnx: join(directory, 'model.onnx'), threads: availableParallelism() };
  const given = JSON.stringify({ engine, folder, ...own, ...others });
  const env = engine === 'ours' ? process.env : await peerEnvironment(engine);
  const command = engine === 'ours' ? [process.execPath, OURS] : ['python3', peerScript('tile.py')];
  const child = spawn(command[0]!, [command[1]!, given], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let complaints = '';
  child.stderr.on('data', (text) => {
    complaints += text;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const line = await lines.next();
    if (line.done) throw new Error(complaints.trim().split('\n').at(-1) || 'it ended without a word');
    return JSON.parse(line.value);
  };
  const [ready] = await Promise.all([next() as Promise<{ version: string }>, once(child, 'spawn')]);
  const bytes = Uint8Array.from(await readFile(own.output));
  const racer: Racer = {
    engine,
    version: ready.version,
    seconds: [],
    cpuSeconds: [],
    result: new Float32Array(bytes.buffer),
    async turn() {
      child.stdin.write('turn\n');
      const { seconds, cpuSeconds } = (await next()) as { seconds: number; cpuSeconds: number };
      racer.seconds.push(seconds);
      racer.cpuSeconds.push(cpuSeconds);
    },
    async peakBytes() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
    },
    end: () => child.kill('SIGKILL'),
  };
  return racer;
}

async function rowOf(racer: Racer, ours: Racer): Promise<BenchTable['rows'][number]> {
  const ratios = (key: 'seconds' | 'cpuSeconds') => ours[key].map((own, turn) => own / racer[key][turn]!);
  const round = (value: number) => Number(value.toPrecision(3));
  return {
    engine: LABELS[racer.engine],
    version: racer.version,
    'median (s)': round(percentile(racer.seconds, 0.5)),
    'least (s)': round(Math.min(...racer.seconds)),
    'CPU, median (s)': round(percentile(racer.cpuSeconds, 0.5)),
    'times as fast as ours': round(percentile(ratios('seconds'), 0.5)),
    'the same by CPU seconds': round(percentile(ratios('cpuSeconds'), 0.5)),
    'peak RSS (MB)': Math.round((await racer.peakBytes()) / 1e6),
    'difference (1/255)': round(largestDifference(racer.result, ours.result) * 255),
  };
}

function largestDifference(one: Float32Array, other: Float32Array): number {
  if (one.length !== other.length) throw new Error(`An engine gave ${one.length} numbers, ours ${other.length}.`);
  return one.reduce((largest, value, index) => Math.max(largest, Math.abs(value - other[index]!)), 0);
}

function reasonOf(error: unknown): string {
  return (error as Error).message.trim().split('\n').at(-1)!;
}
