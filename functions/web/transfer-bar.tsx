import type { Transfer } from '../../shared/client.ts';
import { formatBytes } from './words.ts';

interface TransferBarProps {
  /** The activity: `Sending the photo`. */
  label: string;
  transfer: Transfer | undefined;
  /** Absent where nobody can stop it. */
  onCancel?: (() => void) | undefined;
}

/** How far a file is. Without a number as long as nothing has moved. */
export function TransferBar({ label, transfer, onCancel }: TransferBarProps) {
  const isMoving = transfer !== undefined && transfer.bytes > 0;
  return (
    <div class="transfer">
      <progress aria-label={label} max={transfer?.total || 1} value={isMoving ? transfer.bytes : undefined} />
      <div class="row">
        <span class="quiet number">
          {label}
          {isMoving && `, ${formatBytes(transfer.bytes)} of ${formatBytes(transfer.total)}`}
        </span>
        {onCancel && (
          <button type="button" onClick={onCancel}>
            Cancel
          </button>
        )}
      </div>
    </div>
  );
}
