/// <reference lib="esnext.disposable" />

import { createHash } from 'node:crypto';
import { fingerprint } from '../runtime/compile.ts';
import type { BuildPlan, Precision } from './build-plan.ts';
import { licenseNotice } from './licenses.ts';

/** In the folder of a model of several networks: the facts that a caller of these needs. */
export const CONFIG_FILE = 'config.json';

interface Parts extends Precision, Pick<BuildPlan, 'model' | 'networks' | 'sources'> {
  /** For `CONFIG_FILE`. */
  config: object;
  /** Small files beside it: path → content. */
  texts?: Iterable<readonly [string, string | Uint8Array]>;
  /** The files that the weights are read from: the plan takes them over. */
  opened: AsyncDisposableStack;
}

/** A model that is what its networks and its configuration are. */
export function planNetworks({
  model,
  dtype,
  device,
  networks,
  sources,
  config,
  texts = [],
  opened,
}: Parts): BuildPlan {
  const recipe = JSON.stringify([config, networks.map(({ graph }) => fingerprint(graph))]);
  const plan = {
    model,
    dtype,
    device,
    networks,
    texts: new Map([
      [CONFIG_FILE, `${JSON.stringify(config)}\n`],
      ...texts,
      ['LICENSES.md', licenseNotice(model, sources)],
    ]),
    recipe: createHash('sha256').update(recipe).digest('hex'),
    sources,
  };
  const owned = opened.move();
  return { ...plan, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
