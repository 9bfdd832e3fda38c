import { z } from 'zod';
import type { Flavor } from '../../graphs/onnx.ts';
import { readConfig } from '../../weights/read-config.ts';
import { flavorSchema } from '../config-schemas.ts';
import { pipelineFacts, pipelineFields } from '../pipeline-facts.ts';
import type { PasdCheckpoints } from './checkpoints.ts';

const pasdConfigSchema = z.object({
  /** Of all networks. */
  flavor: flavorSchema,
  /** The token that short texts are filled up with. */
  padding: z.string(),
  ...pipelineFields,
});

/** `config.json` of a built model: the facts that a caller of its networks needs. */
export type PasdConfig = z.infer<typeof pasdConfigSchema>;

/** Throws AppError `engine-failed`. */
export function readPasdConfig(path: string): Promise<PasdConfig> {
  return readConfig(path, pasdConfigSchema);
}

/** The facts that cannot be read off the networks. Throws AppError `engine-failed` for prompts of another length. */
export function pasdConfig({ configs }: Pick<PasdCheckpoints, 'configs'>, flavor: Flavor): PasdConfig {
  return { flavor, padding: configs.padding, ...pipelineFacts(configs) };
}
