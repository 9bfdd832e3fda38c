import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { loadClipiqa } from './clipiqa-model.ts';
import { learned } from './learned.ts';
import { pictureTensor } from './picture-tensor.ts';

const BACKBONE = 'openaipublic.azureedge.net/clip (github.com/openai/CLIP, clip/clip.py): RN50.pt';
const FACTS = { digits: 4, better: 'higher', looksAt: 'picture' } as const;

/** Wang et al. 2023 in the form of pyiqa, with five pairs of prompts: 0 to 1. */
export const clipiqaMetric = learned(
  {
    ...FACTS,
    id: 'clipiqa',
    label: 'CLIPIQA',
    needs: { files: ['RN50'], from: BACKBONE, license: 'MIT (of the code; none told of the weights)' },
  },
  async ([file], device) => {
    await using checkpoint = await openCheckpoint(file!);
    const { run, release } = await loadClipiqa(checkpoint, device);
    return { measure: async (result) => (await run(pictureTensor(result))).score!.data[0]!, release };
  },
);

/** With learned prompts; not in Table 2. */
export const clipiqaPlusMetric = learned(
  {
    ...FACTS,
    id: 'clipiqa-plus',
    label: 'CLIPIQA+',
    needs: {
      files: ['RN50', 'PROMPTS'],
      from: `${BACKBONE}; pyiqa (huggingface.co/chaofengc/IQA-PyTorch-Weights): CLIP-IQA+_learned_prompts-603f3273.pth`,
      license: 'MIT (as above), S-Lab License (prompts, non-commercial, unverified)',
    },
  },
  async ([file, prompts], device) => {
    await using checkpoint = await openCheckpoint(file!);
    await using words = await openCheckpoint(prompts!);
    const { run, release } = await loadClipiqa(checkpoint, device, { learned: words });
    return { measure: async (result) => (await run(pictureTensor(result))).score!.data[0]!, release };
  },
);
