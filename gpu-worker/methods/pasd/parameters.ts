import type { Parameters } from '../../../shared/job.ts';

/** Parameters of the API, complete. */
export type PasdParameters = Required<
  Pick<
    Parameters,
    | 'prompt'
    | 'added_prompt'
    | 'negative_prompt'
    | 'steps'
    | 'guidance_scale'
    | 'conditioning_scale'
    | 'start_point'
    | 'start_steps'
    | 'color_fix'
  >
>;
