import { engineOf } from '../../gpu-worker/methods/engines.ts';
import { buildModel } from '../../gpu-worker/model-store/build.ts';
import type { Dtype } from '../../gpu-worker/model-store/build-plan.ts';
import type { MethodId } from '../../shared/methods/registry.ts';

/** Into a models directory, as `npm run models -- build` does it. `paths`: by its options. */
export async function buildMethod(
  id: MethodId,
  paths: Readonly<Record<string, string | undefined>>,
  modelsDirectory: string,
  dtype: Dtype = 'fp32',
): Promise<void> {
  const { build } = await engineOf(id);
  await using plan = await build!.plan(paths, { dtype, device: 'cpu' });
  await buildModel(plan, { modelsDirectory });
}
