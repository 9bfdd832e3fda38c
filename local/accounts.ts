import { notACommand, runCommand } from '../shared/adapters/node/command.ts';
import type { Values } from '../shared/adapters/node/command-line.ts';
import { eraseAccount } from '../shared/erase-owner.ts';
import { createId } from '../shared/id.ts';
import type { LedgerEntry } from '../shared/ledger.ts';
import { findLedgerProblems } from '../shared/ledger.ts';
import type { StateStore } from '../shared/ports.ts';
import type { PriceList } from '../shared/pricing.ts';
import { LOCAL_ACCOUNT } from './account.ts';
import { describeErasure, eraseAll } from './erase.ts';
import { openOperatorState } from './operator-state.ts';
import { readPrices } from './prices.ts';

const OPTIONS = {
  account: { value: 'ACCOUNT', about: 'owner of the money', default: LOCAL_ACCOUNT },
  name: { value: 'NAME', about: 'of the account that is created' },
  payment: { value: 'REFERENCE', about: 'a top-up that is repeated with the same reference is booked once' },
  prices: { value: 'LIST', about: 'of check: a price list as in PRICES, for jobs of versions that kept no rate' },
  json: { about: 'print JSON, for scripts' },
} as const;

async function accounts(values: Values<typeof OPTIONS>, words: string[]): Promise<void> {
  const { account, json } = values;
  const show = (value: unknown, text: string) => print(json ? JSON.stringify(value) : text);
  const { state, close } = openOperatorState(process.env);
  try {
    const [command, argument, ...rest] = words;
    const isAlone = argument === undefined;
    if (command === 'create' && isAlone && values.name) {
      const now = Date.now();
      const created = { id: createId('acc', now), name: values.name, created_at: new Date(now).toISOString() };
      await state.createAccount(created);
      show(created, `${created.id} ${created.name}`);
    } else if (command === 'list' && isAlone) {
      const found = await listAccounts(state);
      const lines = found.map(({ id, name, balance }) => `${id}  ${balance}  ${name}`);
      show(found, lines.join('\n') || 'No accounts yet.');
    } else if (command === 'top-up' && argument !== undefined && rest.length === 0) {
      const payment = values.payment ?? createId('pay', Date.now());
      await state.topUp({ account, amount: Number(argument), payment });
      const balance = await state.getBalance(account);
      show({ account, payment, balance }, `${account} has ${balance} (payment ${payment}).`);
    } else if (command === 'balance' && isAlone) {
      const balance = await state.getBalance(account);
      show({ account, balance }, String(balance));
    } else if (command === 'ledger' && isAlone) {
      const { entries } = await state.getStatement(account);
      show(entries, entries.map(describe).join('\n') || 'No entries yet.');
    } else if (command === 'delete' && argument !== undefined && rest.length === 0) {
      const erased = await eraseAll(() => eraseAccount(state, argument));
      show({ account: argument, ...erased }, `${argument}: ${describeErasure(erased)}`);
      if (erased.running > 0) process.exitCode = 1;
    } else if (command === 'check' && isAlone) {
      const prices = values.prices === undefined ? undefined : readPrices(values.prices);
      const problems = await findProblems(state, prices);
      show(problems, problems.map((problem) => `${problem.account}: ${problem.problem}`).join('\n') || 'All is right.');
      if (problems.length > 0) process.exitCode = 1;
    } else {
      throw notACommand('accounts', words);
    }
  } finally {
    close();
  }
}

async function listAccounts(state: StateStore) {
  const accounts = await state.listAccounts();
  return Promise.all(accounts.map(async (account) => ({ ...account, balance: await state.getBalance(account.id) })));
}

async function findProblems(state: StateStore, prices?: PriceList): Promise<{ account: string; problem: string }[]> {
  const found: { account: string; problem: string }[] = [];
  for (const { id } of await state.listAccounts()) {
    const problems = findLedgerProblems(await state.getStatement(id), prices);
    found.push(...problems.map((problem) => ({ account: id, problem })));
  }
  return found;
}

function describe({ created_at, kind, amount, job_id, jobs }: LedgerEntry): string {
  const what = jobs === undefined ? (job_id ?? '') : `of ${jobs} older jobs`;
  return `${created_at}  ${kind.padEnd(7)}  ${String(amount).padStart(12)}  ${what}`.trimEnd();
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

runCommand({
  name: 'accounts',
  usage: [
    'create --name NAME',
    'list',
    'top-up MICRO_UNITS [--account ACCOUNT] [--payment REFERENCE]',
    'balance [--account ACCOUNT]',
    'ledger [--account ACCOUNT]',
    'check [--prices standard]',
    'delete ACCOUNT',
  ],
  about: `
Works on DATA_DIR (default ./data), whether the service runs or not, or on the table on AWS that TABLE names.
Amounts are whole micro-units: 1000000 are one unit of your currency.
check: every balance is the sum of its ledger, every job has exactly the entries that it should have, and was charged the
    price of its size, its parameters and its rate or quote.
delete: erases a customer. Keys end; jobs, results, receivers, names and words go; running jobs are canceled. The ledger
    stays and names nobody. There is no way back.`,
  options: OPTIONS,
  takesWords: true,
  run: accounts,
});
