import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import type { JobView } from '../../shared/api.ts';
import type { MethodId } from '../../shared/methods/registry.ts';
import { createTestClient, type TestClient } from './client.ts';
import { recordedFiles } from './recorded-files.ts';
import { type ServiceProcess, startServiceProcess } from './service-process.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const execute = promisify(execFile);

export type Product = Awaited<ReturnType<typeof openProduct>>;

/** The real programs, on data and models in a folder of their own. */
export async function openProduct() {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-product-'));
  const [data, modelsDirectory] = [join(directory, 'data'), join(directory, 'models')];
  let service: ServiceProcess | undefined;
  let key: string | undefined;
  const run = (program: string, ...given: string[]) =>
    execute(process.execPath, [join(ROOT, program), ...given], {
      env: { ...process.env, DATA_DIR: data, MODELS_DIR: modelsDirectory },
    });
  const models = (...given: string[]) => run('gpu-worker/models-cli.ts', ...given);
  const kill = async () => {
    await service?.kill('SIGKILL');
    service = undefined;
  };
  return {
    directory,
    modelsDirectory,
    run,
    models,
    /** From the files of its recorded set, by the command line. */
    async build(id: MethodId) {
      const files = Object.entries(await recordedFiles(id));
      return await models('build', id, ...files.flatMap(([option, path]) => (path ? [`--${option}`, path] : [])));
    },
    /** The service, which takes money; the first start gives credit as well. */
    async start(environment: Record<string, string> = {}): Promise<{ client: TestClient; url: string; key: string }> {
      service = await startServiceProcess(data, { MODELS_DIR: modelsDirectory, PRICES: 'standard', ...environment });
      if (service.firstKey) await run('local/accounts.ts', 'top-up', '1000000');
      key ??= service.firstKey!;
      return { client: createTestClient(service.url, key), url: service.url, key };
    },
    kill,
    async close() {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A photo of the dog, as PNG. */
export async function photoOfDog(width: number, height: number): Promise<Uint8Array<ArrayBuffer>> {
  const dog = sharp(join(ROOT, 'local/demo-photo/dog.jpg'));
  return new Uint8Array(await dog.resize(width, height, { fit: 'fill' }).png().toBuffer());
}

export interface Quote {
  id: string;
  price: number;
  tiles: number;
  steps: number;
}

/** Uploads the photo, asks for the price, and submits the job at that price. */
export async function order(client: TestClient, photo: Uint8Array<ArrayBuffer>, parameters: object) {
  const asked = { input: { upload_id: await client.upload(photo) }, ...parameters };
  const quote = await client.json<Quote>('/v1/quotes', { method: 'POST', body: JSON.stringify(asked) });
  const { id } = await client.submit({ ...asked, quote_id: quote.id });
  return { id, quote };
}

/** The job at its end, and what its receipt says. */
export async function settle(client: TestClient, id: string) {
  const job = await client.end(id);
  if (job.error) throw new Error(`The job failed: ${JSON.stringify(job.error)}`);
  type Receipt = Pick<JobView, 'description'> & Record<string, unknown>;
  const { receipt } = await client.json<{ receipt: Receipt }>(`/v1/jobs/${id}/receipt`);
  return { job, receipt };
}
