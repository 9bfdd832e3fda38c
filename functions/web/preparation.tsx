import { useEffect, useState } from 'preact/hooks';
import { askAgain, useAsked } from './asking.ts';
import { useChanges } from './changes.ts';
import type { Order } from './order.ts';
import { describeMoney, describeStep } from './order-words.ts';
import { PhotoList } from './photo-list.tsx';
import { readBeside } from './place.ts';
import { ProblemNote } from './problem-note.tsx';
import { useTitle } from './screen.ts';
import type { Shipment } from './sender.ts';
import { type Choices, choicesFor, readFields } from './settings.ts';
import { SettingsForm } from './settings-form.tsx';
import { TransferBar } from './transfer-bar.tsx';
import { TrialStage } from './trial-stage.tsx';
import { useLater } from './use-later.ts';
import { usePrices } from './use-prices.ts';
import type { Workshop } from './workshop.ts';

interface PreparationProps {
  workshop: Workshop;
  orders: readonly Order[];
  /** Some were taken out. */
  onLeft: (orders: Order[]) => void;
  onStart: (orders: Order[]) => void;
  onBack: () => void;
}

/** A photo that is sent sooner needs no bar. */
const QUICK_MILLISECONDS = 700;

/** One photo or several beside the choices for them, until they have become jobs. */
export function Preparation({ workshop, orders, onLeft, onStart, onBack }: PreparationProps) {
  const { client, uploads, sender } = workshop;
  useChanges(uploads);
  const [first, ...others] = orders as [Order, ...Order[]];
  const [choices, setChoices] = useState<Choices>(() => readBeside().choices ?? first.choices);
  const about = useAsked(
    async (signal) => {
      const [{ data: models, limits }, fields] = await Promise.all([client.models({ signal }), readFields(signal)]);
      return { models, limits, fields };
    },
    [client],
  );
  // One that was chosen for an earlier photo may have been taken away since.
  const model =
    about.value?.models.find(({ id, installed }) => installed && id === choices.model) ??
    about.value?.models.find(({ default: isDefault }) => isDefault);
  const complete = model && choicesFor(model, choices);
  const price = usePrices(client, { orders, model, choices: complete, uploads });
  const shipment = others.length === 0 ? sender.find(first.key) : undefined;
  const isOnItsWay = shipment !== undefined && shipment.step !== 'refused';
  const isSlow = useLater(isOnItsWay, QUICK_MILLISECONDS);
  const words = others.length === 0 ? 'Restore' : `Restore ${orders.length} photos`;
  useTitle(isSlow ? 'Sending' : 'Settings');
  const hasNewPrice = isQuoteRefused(shipment);
  useEffect(() => {
    if (hasNewPrice) price.renew();
  }, [hasNewPrice]);

  function change(next: Choices): void {
    setChoices(next);
    history.replaceState({ ...readBeside(), choices: next }, '');
  }

  const isReady = complete && !price.isComing && (!isOnItsWay || shipment.error !== undefined);
  function submit(event: SubmitEvent): void {
    event.preventDefault();
    if (isReady && price.isUnknown) void price.ask();
    else if (isReady) {
      onStart(orders.map((order, index) => ({ ...order, choices: complete, quoteId: price.quoteIdOf(index) })));
    }
    askAgain(); // for photos on their way
  }

  const label =
    isSlow && shipment?.error === undefined ? 'Sending…' : price.isUnknown ? 'Send, and see the price' : words;
  const error = shipment?.error ?? price.error ?? about.error;
  return (
    <section class="two" aria-label="Settings">
      <h1>{words}</h1>
      {others.length === 0 ? (
        <TrialStage workshop={workshop} order={first} size={price.shown[0]} choices={complete} />
      ) : (
        <PhotoList
          orders={orders}
          sizes={price.shown}
          onRemove={(order) => onLeft(orders.filter(({ key }) => key !== order.key))}
        />
      )}
      <form class="card" onSubmit={submit}>
        {about.value && <SettingsForm {...about.value} choices={choices} onChange={change} size={price.size} />}
        {!isOnItsWay && price.isComing && uploads.transferOf(first.key) && (
          <TransferBar
            label="Sending the photo"
            transfer={uploads.transferOf(first.key)}
            onCancel={() => uploads.stop(first.key)}
          />
        )}
        {isSlow && shipment && (
          <TransferBar
            label={describeStep(shipment)}
            transfer={uploads.transferOf(first.key)}
            onCancel={() => sender.stop(first.key)}
          />
        )}
        {error !== undefined && (
          <ProblemNote
            error={error}
            money={shipment && describeMoney(shipment)}
            onAgain={shipment ? undefined : price.error !== undefined ? price.renew : about.again}
          />
        )}
        <div class="row">
          <button type="button" onClick={onBack}>
            Back
          </button>
          <span class="quiet price" role="status" id="price">
            {price.words}
          </span>
          <button type="submit" class="primary" aria-describedby="price" aria-disabled={!isReady}>
            {label}
            {/* Those who do not see it hear it as the description. */}
            {label === words && price.amount && <span aria-hidden="true"> for {price.amount}</span>}
          </button>
        </div>
      </form>
    </section>
  );
}

function isQuoteRefused(shipment: Shipment | undefined): boolean {
  const { problem } = (shipment?.error ?? {}) as { problem?: { code: string } };
  return problem?.code === 'quote-invalid';
}
