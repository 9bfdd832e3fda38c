import { z } from 'zod';
import { readConfig } from '../../weights/read-config.ts';
import { count, flavorSchema } from '../config-schemas.ts';
import { noisingSchema, pipelineFields } from '../pipeline-facts.ts';

const seesrConfigSchema = z.object({
  /** Of all networks but the tagger, which is fp32 throughout. */
  flavor: flavorSchema,
  /** Side of the square picture that the tagger looks at. */
  taggerImageSize: count,
  /** The tags of the tagger, in the order of its logits; a score must be above the threshold. */
  tags: z.array(z.object({ name: z.string(), threshold: z.number() })),
  ...pipelineFields,
  /** And which timesteps the published script calls. */
  schedule: noisingSchema.extend({ spacing: z.enum(['leading', 'trailing']), offset: z.int().nonnegative() }),
});

/** `config.json` of a built model: the facts that a caller of its networks needs. */
export type SeesrConfig = z.infer<typeof seesrConfigSchema>;

/** Throws AppError `engine-failed`. */
export function readSeesrConfig(path: string): Promise<SeesrConfig> {
  return readConfig(path, seesrConfigSchema);
}
