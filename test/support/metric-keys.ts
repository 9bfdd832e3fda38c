import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** The tensors that a metric takes of its published file, by name: shapes. `place`: of the recorded set. */
export async function publishedTensors(place: string, file: RegExp): Promise<Record<string, number[]>> {
  const path = fileURLToPath(new URL(`../fixtures/metrics/${place}/keys.tsv`, import.meta.url));
  const rows = (await readFile(path, 'utf8')).trimEnd().split('\n').slice(1);
  const fields = rows.map((row) => row.split('\t') as [string, string, string, string]);
  const used = fields.filter(([of, , , use]) => file.test(of) && use === 'used');
  return Object.fromEntries(
    used.map(([, name, shape]) => [name, shape === 'scalar' ? [] : shape.split('x').map(Number)]),
  );
}
