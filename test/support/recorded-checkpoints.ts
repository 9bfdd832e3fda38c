import { openSeesrCheckpoints, type SeesrCheckpoints } from '../../gpu-worker/methods/seesr/checkpoints.ts';
import { recordedSources } from './recorded-models.ts';

/** The checkpoints of a recorded set. `lora`: the tagger is DAPE, else plain RAM. */
export function openRecordedCheckpoints(folder: string, { lora = true } = {}): Promise<SeesrCheckpoints> {
  return openSeesrCheckpoints({ ...recordedSources('seesr', folder), ...(!lora && { dape: undefined }) });
}
