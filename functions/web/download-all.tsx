import { downloadZip } from 'client-zip';
import type { Client, JobView } from '../../shared/client.ts';
import type { Order } from './order.ts';
import { ProblemNote } from './problem-note.tsx';
import { nameOnly, resultName, saveFile } from './save-file.ts';
import { TransferBar } from './transfer-bar.tsx';
import { useDownload } from './use-download.ts';

interface DownloadAllProps {
  client: Client;
  done: readonly { order: Order; job: JobView }[];
}

/** One file of all results: browsers ask before they take several. */
export function DownloadAll({ client, done }: DownloadAllProps) {
  const { transfer, error, start, stop } = useDownload(async (signal, onTransfer) => {
    const total = done.reduce((sum, { job }) => sum + (job.output?.bytes ?? 0), 0);
    const files: { name: string; input: Blob }[] = [];
    let before = 0;
    for (const { order, job } of done) {
      const input = await client.output(job.id, {
        signal,
        onTransfer: ({ bytes, direction }) => onTransfer({ direction, bytes: before + bytes, total }),
      });
      before += input.size;
      const name = resultName(order.name, job);
      files.push({ name: unlike(name, files), input });
    }
    saveFile(await downloadZip(files).blob(), 'restored-photos.zip');
  });
  if (transfer) return <TransferBar label="Fetching all results" transfer={transfer} onCancel={stop} />;
  return (
    <>
      {error !== undefined && <ProblemNote error={error} onAgain={start} />}
      <button type="button" onClick={start}>
        Download all
      </button>
    </>
  );
}

/** `beach-4x.png`, and `beach-4x (2).png` for another one. */
function unlike(name: string, files: readonly { name: string }[]): string {
  for (let number = 1; ; number++) {
    const ending = name.slice(name.lastIndexOf('.'));
    const candidate = number === 1 ? name : `${nameOnly(name)} (${number})${ending}`;
    if (!files.some((file) => file.name === candidate)) return candidate;
  }
}
