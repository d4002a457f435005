// Stands in for @jest/globals, so that test files load once in plain Node and single tests run as
// often as wanted.

import { expect } from "expect";
import { ModuleMocker } from "jest-mock";

type Hook = () => unknown;
type Body = (...row: never[]) => unknown;

/** A test file, or a `describe` in it. */
interface Block {
  readonly parent: Block | undefined;
  readonly beforeAll: Hook[];
  readonly afterAll: Hook[];
  readonly beforeEach: Hook[];
  readonly afterEach: Hook[];
}

export interface Test {
  readonly name: string;
  readonly body: Hook;
  readonly block: Block;
}

const mocker = new ModuleMocker(globalThis);
let tests: Test[] = [];
let block = createBlock();
/** Blocks whose `beforeAll` ran, the outermost first. */
const entered: Block[] = [];

function createBlock(parent?: Block): Block {
  return { parent, beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] };
}

function describe(_name: string, body: Body): void {
  block = createBlock(block);
  (body as Hook)();
  block = block.parent ?? block;
}

function test(name: string, body: Body): void {
  tests.push({ name, body: body as Hook, block });
}

type Register = (name: string, body: Body) => void;

/** `each` as far as the tests use it: a table of rows, or of single values. */
function each(register: Register) {
  return (table: readonly unknown[]) => (name: string, body: Body) => {
    for (const [index, given] of table.entries()) {
      const row = (Array.isArray(given) ? given : [given]) as never[];
      register(`${name} [${index}]`, () => body(...row));
    }
  };
}

const withEach = (register: Register) => Object.assign(register, { each: each(register) });
const concurrent = withEach((name: string, body: Body) => test(name, body));
const tested = Object.assign(withEach(test), { concurrent, skip: () => undefined });
const described = withEach(describe);

export { described as describe, expect, tested as test };
export const beforeAll = (hook: Hook) => block.beforeAll.push(hook);
export const afterAll = (hook: Hook) => block.afterAll.push(hook);
export const beforeEach = (hook: Hook) => block.beforeEach.push(hook);
export const afterEach = (hook: Hook) => block.afterEach.push(hook);
export const jest = {
  spyOn: mocker.spyOn.bind(mocker),
  fn: mocker.fn.bind(mocker),
  setTimeout: () => undefined,
};

/** The tests of a file, in their order. */
export async function collect(load: () => Promise<unknown>): Promise<readonly Test[]> {
  tests = [];
  block = createBlock();
  await load();
  return tests;
}

/**
 * Runs a test with the hooks around it. `leaveAll` has to follow the last one.
 * @param begin is called when what it shares with other tests is set up
 */
export async function runTest({ block: own, body }: Test, begin: () => void): Promise<void> {
  const blocks = chain(own);
  while (entered.length > 0 && entered.at(-1) !== blocks[entered.length - 1]) await leave();
  for (const next of blocks.slice(entered.length)) {
    entered.push(next);
    for (const hook of next.beforeAll) await hook();
  }
  begin();
  let failure: { readonly error: unknown } | undefined;
  const attempt = async (hook: Hook) => {
    try {
      await hook();
    } catch (error) {
      failure ??= { error };
    }
  };
  for (const hook of blocks.flatMap((one) => one.beforeEach))
    if (failure === undefined) await attempt(hook);
  if (failure === undefined) await attempt(body);
  for (const hook of blocks.toReversed().flatMap((one) => one.afterEach)) await attempt(hook);
  mocker.restoreAllMocks();
  if (failure !== undefined) throw failure.error;
}

export async function leaveAll(): Promise<void> {
  while (entered.length > 0) await leave();
}

async function leave(): Promise<void> {
  for (const hook of entered.pop()?.afterAll ?? []) await hook();
}

function chain(own: Block | undefined): Block[] {
  return own === undefined ? [] : [...chain(own.parent), own];
}
