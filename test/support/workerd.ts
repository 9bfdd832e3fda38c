import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
// @ts-expect-error It comes without types. It is the path of the binary, whose script passes no other channels on.
import workerd from 'workerd';

/** Browsers parse the XML of S3 by a DOMParser, which workerd does not have. Node gets plain JavaScript. */
const parseXml: Plugin = {
  name: 'parse-xml',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/xml-parser$/ }, ({ resolveDir }) => ({ path: join(resolveDir, 'xml-parser.js') }));
  },
};

/** test/support/NAME in workerd, the runtime of Cloudflare Workers, at a free port; its bundle goes to `directory`. */
export async function startWorkerd(name: string, variables: Record<string, string>, directory: string) {
  await build({
    entryPoints: [fileURLToPath(new URL(name, import.meta.url))],
    outfile: join(directory, 'worker.js'),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['node:*'],
    plugins: [parseXml],
  });
  const bindings = Object.entries(variables).map(([key, text]) => `(name = "${key}", text = ${JSON.stringify(text)})`);
  const configuration = `using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (
      services = [(name = "main", worker = .main), (name = "internet", network = (allow = ["local"]))],
      sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]);
    const main :Workerd.Worker = (
      modules = [(name = "worker", esModule = embed "worker.js")],
      compatibilityDate = "2026-07-01",
      compatibilityFlags = ["nodejs_compat"],
      bindings = [${bindings.join(', ')}]);`;
  await writeFile(join(directory, 'config.capnp'), configuration);
  const child = spawn(workerd, ['serve', join(directory, 'config.capnp'), '--control-fd=3'], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  });
  const exited = once(child, 'exit');
  const port = await Promise.race([readPort(child.stdio[3] as NodeJS.ReadableStream), exited]);
  if (typeof port !== 'number') throw new Error('workerd ended before it listened.');
  return {
    url: `http://127.0.0.1:${port}`,
    async stop(): Promise<void> {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** One JSON message a line; the one about the socket has its port. */
async function readPort(control: NodeJS.ReadableStream): Promise<number> {
  for await (const line of createInterface(control)) {
    const { event, port } = JSON.parse(line) as { event: string; port?: number };
    if (event === 'listen' && port !== undefined) return port;
  }
  throw new Error('workerd told no port.');
}
