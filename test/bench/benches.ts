import type { Bench } from './bench.ts';

interface BenchEntry {
  /** The claim that its tables prove, in one sentence. */
  claim: string;
  load: () => Promise<Bench>;
}

/** In the order of the document. */
export const BENCHES: Record<string, BenchEntry> = {
  sr: {
    claim: 'The cost of a megapixel of the result with the networks that ship, in seconds and memory, by size of tile.',
    load: () => import('./sr.ts'),
  },
  seesr: {
    claim:
      'SeeSR in its published size runs on a CPU in bounded memory, a step costs no more than its arithmetic, and nothing is computed twice.',
    load: () => import('./seesr.ts'),
  },
  diffusion: {
    claim:
      'The other methods that denoise a latent, in their published sizes: seconds of a step and of the decoder on a CPU, and peak memory.',
    load: () => import('./diffusion.ts'),
  },
  gpu: {
    claim:
      'The same networks on the GPUs of the machine, by CUDA and by WebGPU: seconds, memory, and the difference to the CPU.',
    load: () => import('./gpu.ts'),
  },
  peers: {
    claim:
      'The same tile and the same step in other engines, in turn with ours: how much faster or slower we are, for equal numbers.',
    load: () => import('./peers.ts'),
  },
  training: {
    claim:
      'Training without Python: its pace beside PyTorch on the same network, and its memory with activations computed again.',
    load: () => import('./training.ts'),
  },
  semantic: {
    claim: 'AP, PQ and mIoU of our semantic evaluation are those of pycocotools and of NumPy on fresh random cases.',
    load: () => import('./semantic.ts'),
  },
  metrics: {
    claim: 'Time and memory of every metric for pictures of 512×512, its network in the published size.',
    load: () => import('./metrics.ts'),
  },
  job: {
    claim: 'The cost of a job beside its network: queue, storage, decoding, encoding, checks.',
    load: () => import('./job.ts'),
  },
  devices: {
    claim:
      'Several processes that share the CPU give more photos a second than one, and their deaths lose and double no job.',
    load: () => import('./devices.ts'),
  },
  api: {
    claim: 'How many polls, submits, uploads and event streams one process serves, and how soon.',
    load: () => import('./api.ts'),
  },
  growth: {
    claim: 'With a thousand times as many stored jobs every request, claim and sweep takes as long as before.',
    load: () => import('./growth.ts'),
  },
  soak: {
    claim:
      'Under a light mixed load for an hour memory, open files, storage and temporary files do not grow without end.',
    load: () => import('./soak.ts'),
  },
  chaos: {
    claim:
      'No job is lost, stuck or charged twice when something is killed, full, locked or late, and the ledger is exact.',
    load: () => import('./chaos.ts'),
  },
  ledger: {
    claim:
      'Every micro-unit is where it belongs, in any order in which jobs begin, end, repeat and are cut off by kill -9.',
    load: () => import('./ledger.ts'),
  },
  hostile: {
    claim: 'Damaged and malicious files and requests have a defined outcome each, and break, leave and cost nothing.',
    load: () => import('./hostile.ts'),
  },
  scale: {
    claim: 'Waits and costs of photos under our scaler, beside the two usual policies on the same days (simulated).',
    load: () => import('./scale.ts'),
  },
  edge: {
    claim: 'The functions for Lambda are small, and start and answer within milliseconds.',
    load: () => import('./edge.ts'),
  },
  offline: {
    claim: 'Installed from the packages alone it runs in a network that leads nowhere, and asks for no name.',
    load: () => import('./offline.ts'),
  },
};
