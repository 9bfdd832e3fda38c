import { parseArgs } from 'node:util';
import { AppError } from '../shared/error.ts';
import { createId } from '../shared/id.ts';
import { findLedgerProblems } from '../shared/ledger.ts';
import type { LedgerEntry, StateStore } from '../shared/ports.ts';
import { LOCAL_ACCOUNT } from './account.ts';
import { openOperatorState } from './operator-state.ts';

const USAGE = `npm run accounts -- create --name NAME
npm run accounts -- list
npm run accounts -- top-up MICRO_UNITS [--account ACCOUNT] [--payment REFERENCE]
npm run accounts -- balance [--account ACCOUNT]
npm run accounts -- ledger [--account ACCOUNT]
npm run accounts -- check

Works on DATA_DIR (default ./data), whether the service runs or not, or on the table on AWS that TABLE names. --json: for scripts.
Amounts are whole micro-units: 1000000 are one unit of your currency. --account is ${LOCAL_ACCOUNT} by default.
--payment: a top-up that is repeated with the same reference is booked once.
check: every balance is the sum of its ledger, every job has exactly the entries that it should have.
`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      account: { type: 'string', default: LOCAL_ACCOUNT },
      name: { type: 'string' },
      payment: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return print(USAGE.trimEnd());
  const { account, json } = values;
  const show = (value: unknown, text: string) => print(json ? JSON.stringify(value) : text);
  const { state, close } = openOperatorState(process.env);
  try {
    const [command, argument, ...rest] = positionals;
    const isAlone = argument === undefined;
    if (command === 'create' && isAlone && values.name) {
      const now = Date.now();
      const created = { id: createId('acc', now), name: values.name, created_at: new Date(now).toISOString() };
      await state.createAccount(created);
      show(created, `${created.id} ${created.name}`);
    } else if (command === 'list' && isAlone) {
      const accounts = await listAccounts(state);
      const lines = accounts.map(({ id, name, balance }) => `${id}  ${balance}  ${name}`);
      show(accounts, lines.join('\n') || 'No accounts yet.');
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
    } else if (command === 'check' && isAlone) {
      const problems = await findProblems(state);
      show(problems, problems.map((problem) => `${problem.account}: ${problem.problem}`).join('\n') || 'All is right.');
      if (problems.length > 0) process.exitCode = 1;
    } else {
      throw new AppError('invalid', `"${positionals.join(' ')}" is not a command.\n\n${USAGE}`);
    }
  } finally {
    close();
  }
}

async function listAccounts(state: StateStore) {
  const accounts = await state.listAccounts();
  return Promise.all(accounts.map(async (account) => ({ ...account, balance: await state.getBalance(account.id) })));
}

async function findProblems(state: StateStore): Promise<{ account: string; problem: string }[]> {
  const found: { account: string; problem: string }[] = [];
  for (const { id } of await state.listAccounts()) {
    const problems = findLedgerProblems(await state.getStatement(id));
    found.push(...problems.map((problem) => ({ account: id, problem })));
  }
  return found;
}

function describe({ created_at, kind, amount, job_id }: LedgerEntry): string {
  return `${created_at}  ${kind.padEnd(7)}  ${String(amount).padStart(12)}  ${job_id ?? ''}`.trimEnd();
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
});
