import { useEffect, useState } from 'preact/hooks';
import type { Client, JobView, SignedReceipt } from '../../shared/client.ts';
import { checkReceipt } from './check-receipt.ts';
import { nameOnly, saveFile } from './save-file.ts';
import { isLicenseTold, type Model } from './settings.ts';
import { formatPrice, formatSeconds } from './words.ts';

interface ReceiptCardProps {
  client: Client;
  job: JobView;
  /** The result. */
  file: Blob;
  name: string;
}

/** The receipt of the job, signed by the service and checked here. */
export function ReceiptCard({ client, job, file, name }: ReceiptCardProps) {
  const [signed, setSigned] = useState<SignedReceipt>();
  const [model, setModel] = useState<Model>();
  const [checked, setChecked] = useState<Awaited<ReturnType<typeof checkReceipt>>>();
  useEffect(() => {
    let isHere = true;
    async function load(): Promise<void> {
      const [found, { data }] = await Promise.all([client.receipt(job.id), client.models()]);
      if (isHere) {
        setSigned(found);
        setModel(data.find(({ id }) => id === found.receipt.parameters.model));
      }
      const result = await checkReceipt(client, found, file);
      if (isHere) setChecked(result);
    }
    load().catch(() => {}); // a result without a receipt is still a result
    return () => {
      isHere = false;
    };
  }, [client, job.id, file]);
  if (!signed) return null;
  const { receipt } = signed;
  const { model_facts: facts } = receipt.parameters;
  const license = facts?.license ?? (model && isLicenseTold(model) ? model.license : undefined);
  const seconds = Object.values(receipt.run.seconds).reduce((total, each) => total + each, 0);
  const save = () => saveFile(new Blob([JSON.stringify(signed, null, 2)]), `${nameOnly(name)}-receipt.json`);
  return (
    <section class="card report" aria-labelledby="receipt">
      <h2 id="receipt">Receipt</h2>
      <dl class="facts">
        <div>
          <dt>Paid</dt>
          <dd>{receipt.price === 0 ? 'Nothing' : formatPrice(receipt.price)}</dd>
        </div>
        <div>
          <dt>Computed in</dt>
          <dd>{formatSeconds(seconds)}</dd>
        </div>
        <div>
          <dt>Method</dt>
          <dd>{facts?.title ?? model?.name ?? receipt.parameters.model}</dd>
        </div>
        {license && (
          <div>
            <dt>License of the model</dt>
            <dd>{license}</dd>
          </div>
        )}
      </dl>
      {checked && <Verdict {...checked} />}
      <p>
        <button type="button" onClick={save}>
          Download receipt
        </button>
      </p>
      <details>
        <summary>How anybody can check it</summary>
        <p class="quiet">
          <code>signature</code> is Ed25519 over <code>receipt</code> as canonical JSON (RFC 8785). The public key is at{' '}
          <a href="v1/receipt_keys">/v1/receipt_keys</a>; <code>run.output.sha256</code> is that of the file. The
          receipt also names the weights and all settings.
        </p>
      </details>
    </section>
  );
}

function Verdict({ isGenuine, isOfFile }: Awaited<ReturnType<typeof checkReceipt>>) {
  if (isGenuine === undefined || isOfFile === undefined) {
    return <p class="quiet">This browser cannot check the signature.</p>;
  }
  if (isGenuine && isOfFile)
    return <p>✓ Signed by this service, and for exactly this file. Checked in your browser.</p>;
  return (
    <p class="note problem">
      {isGenuine ? 'The receipt is for another file than this one.' : 'The signature is not that of this service.'}
    </p>
  );
}
