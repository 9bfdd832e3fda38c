import { useEffect, useState } from 'preact/hooks';
import type { Client, ModelList } from '../../shared/client.ts';
import { useObjectUrl } from './object-url.ts';
import { type Choices, choicesFor, type Field, readFields } from './settings.ts';
import { SettingsForm } from './settings-form.tsx';
import { useQuote } from './use-quote.ts';
import { formatPrice, formatSeconds } from './words.ts';

interface PreparationProps {
  client: Client;
  photo: Blob;
  name: string;
  choices: Choices;
  isBusy: boolean;
  onBack: () => void;
  onStart: (choices: Choices, quoteId: string | undefined) => void;
  onError: (error: unknown) => void;
}

/** The photo beside what shall be done with it. */
export function Preparation({
  client,
  photo,
  name,
  choices: given,
  isBusy,
  onBack,
  onStart,
  onError,
}: PreparationProps) {
  const [about, setAbout] = useState<{ models: ModelList['data']; fields: Field[] }>();
  const [choices, setChoices] = useState(given);
  const [size, setSize] = useState<{ width: number; height: number }>();
  const [isShown, setShown] = useState(true);
  const url = useObjectUrl(photo);

  useEffect(() => {
    Promise.all([client.models(), readFields()]).then(([{ data }, fields]) => {
      setAbout({ models: data, fields });
      const best = data.find((model) => model.default);
      if (best) setChoices((current) => ({ model: best.id, ...current }));
    }, onError);
  }, [client, onError]);

  const model = about?.models.find(({ id }) => id === choices.model);
  const complete = model && choicesFor(model, choices);
  const quote = useQuote(client, { size, choices: complete, onError });
  return (
    <section class="two" aria-label="Settings">
      <figure class="preview" style={size && { '--width': size.width, '--height': size.height }}>
        {url && isShown ? (
          <img
            src={url}
            alt={name}
            onLoad={({ currentTarget: { naturalWidth: width, naturalHeight: height } }) => setSize({ width, height })}
            onError={() => setShown(false)}
          />
        ) : (
          !isShown && <p class="note">This browser cannot show the file. The service may still read it.</p>
        )}
        <figcaption class="quiet">
          {name}
          {size && `, ${size.width} × ${size.height}`}
        </figcaption>
      </figure>
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          if (complete) onStart(complete, quote?.id);
        }}
      >
        <h1>Restore</h1>
        {about && <SettingsForm {...about} choices={choices} onChange={setChoices} size={size} />}
        <div class="row">
          <button type="button" onClick={onBack} disabled={isBusy}>
            Back
          </button>
          <span class="quiet price" role="status">
            {quote && `${formatPrice(quote.price)}, about ${formatSeconds(quote.eta_seconds)}`}
          </span>
          <button type="submit" class="primary" disabled={isBusy || !model}>
            {isBusy ? 'Sending…' : 'Restore'}
          </button>
        </div>
      </form>
    </section>
  );
}
