import { resolve } from 'node:path';
import { z } from 'zod';
import { DEVICE_OPTION, readDevice } from '../gpu-worker/device-settings.ts';
import { listModels } from '../gpu-worker/model-store/added-models.ts';
import { openEngines } from '../gpu-worker/open-engines.ts';
import { takeShare } from '../gpu-worker/runtime/share.ts';
import { usageError, wholeNumber } from '../shared/adapters/node/command.ts';
import type { Values } from '../shared/adapters/node/command-line.ts';
import { readLimits, readVariables } from '../shared/configuration.ts';
import { AppError } from '../shared/error.ts';
import { createLog } from '../shared/log.ts';
import { MODEL_PARAMETERS } from '../shared/methods/parameters.ts';
import { METHOD_IDS } from '../shared/methods/registry.ts';
import { parseCandidates, scaleOf } from './evaluate.ts';
import { createMeter } from './measure.ts';
import { NETWORK_CONTRACT } from './metrics/learned.ts';
import { describeMetrics, findMetricFiles } from './metrics/metric-files.ts';
import { isProtocol, PROTOCOLS, type Protocol, withDrawnCrops } from './metrics/protocol.ts';

/** Options of every command that restores pictures and measures them. */
export const EVALUATION_OPTIONS = {
  models: { value: 'A,B', about: `${['bicubic', ...METHOD_IDS].join(', ')}, and names of models that were added` },
  seed: { value: 'N', about: 'of diffusion models', default: '0' },
  steps: { value: 'N', about: 'of models whose steps are a choice (default: those of the published script of each)' },
  protocol: {
    value: Object.keys(PROTOCOLS).join(' | '),
    about: `how pictures are compared. ${Object.entries(PROTOCOLS)
      .map(([id, { about }]) => `${id}: ${about}`)
      .join('. ')}`,
    default: 'own',
  },
  'crop-seed': {
    value: 'N',
    about:
      'MANIQA looks at crops drawn with it, as for Table 2 (with 123), instead of at those of a grid, as pyiqa does today',
  },
  device: DEVICE_OPTION,
  'models-directory': { value: 'DIR', about: 'where built models are (default: MODELS_DIR, else models)' },
  metric: {
    value: 'ID=FILE,…',
    about: 'the files of a metric, as the list above has them; or one ONNX file',
    multiple: true,
  },
  'metrics-directory': { value: 'DIR', about: 'all ONNX files in a folder, as ID.onnx' },
} as const;

/** For the help. */
export const METRICS_HELP = `The metrics, and what each needs:

${describeMetrics()}

An ONNX file in place of these has ${NETWORK_CONTRACT}.`;

const MAX_STEPS = MODEL_PARAMETERS.steps.maxValue!;
const LARGEST_SEED = 2 ** 32 - 1;
const environmentSchema = z.object({ MODELS_DIR: z.string().default('models') });

/** Reads the options; models and networks are loaded by `open`, after all has been checked. Throws AppError. */
export async function planEvaluation(values: Values<typeof EVALUATION_OPTIONS>) {
  const { MODELS_DIR } = readVariables(environmentSchema, process.env, {
    warn: (sentence) => process.stderr.write(`${sentence}\n`),
  });
  if (!values.models) throw usageError('--models is needed');
  const asked = readDevice(values.device);
  const protocol = readProtocol(values.protocol, values['crop-seed']);
  const seed = wholeNumber('seed', values.seed, LARGEST_SEED);
  const steps = values.steps === undefined ? undefined : wholeNumber('steps', values.steps, MAX_STEPS, 1);
  const modelsDirectory = resolve(values['models-directory'] ?? MODELS_DIR);
  const installed = await listModels(modelsDirectory);
  const candidates = parseCandidates(values.models, installed);
  const limits = readLimits(process.env);
  const scale = scaleOf(candidates, installed);
  const files = await findMetricFiles(values.metric, values['metrics-directory']);
  return {
    ...{ installed, candidates, limits, scale, seed, steps, protocol, files },
    async open() {
      const stop = new AbortController();
      process.once('SIGINT', () => stop.abort(new AppError('conflict', 'Stopped.')));
      const log = createLog('warn', (line) => process.stderr.write(`${line}\n`));
      const {
        engines: [engine],
        choice,
      } = await openEngines(asked, { modelsDirectory, log, most: 1 });
      process.stderr.write(`${choice}\n`);
      const { device, index: deviceIndex } = engine.place;
      takeShare({ deviceIndex });
      const meter = await createMeter(files, { device, protocol }).catch(async (error: unknown) => {
        await engine.close();
        throw error;
      });
      const close = async () => {
        await engine.close();
        await meter.release();
      };
      return { engine, meter, signal: stop.signal, close };
    },
  };
}

function readProtocol(id: string, cropSeed: string | undefined): Protocol {
  if (!isProtocol(id)) throw usageError(`--protocol ${id}: it is one of ${Object.keys(PROTOCOLS).join(', ')}.`);
  if (cropSeed === undefined) return PROTOCOLS[id];
  return withDrawnCrops(PROTOCOLS[id], wholeNumber('crop-seed', cropSeed, LARGEST_SEED));
}
