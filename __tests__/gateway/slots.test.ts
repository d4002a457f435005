import { EventEmitter } from "node:events";
import { expect, jest, test } from "@jest/globals";
import { LIMITS } from "../../src/gateway/bounds.ts";
import { Client } from "../../src/gateway/client.ts";
import { type Outcome, Slots } from "../../src/gateway/slots.ts";
import { until } from "../fixtures/agent.ts";
import { setClock } from "../fixtures/virtual-clock.ts";

/** A client, its leaving before the reply is written, and whether its call was ended by the slots. */
function someone() {
  const response = Object.assign(new EventEmitter(), { writableFinished: false });
  const client = new Client(response as never);
  return { client, leave: () => response.emit("close") };
}

const settle = () => new Promise(setImmediate);

function createSlots(changes: Partial<typeof LIMITS>): Slots {
  return new Slots({ ...LIMITS, ...changes });
}

test("as many calls as there are slots go on, the others wait in the order in which they came", async () => {
  const slots = createSlots({ maxCalls: 2 });
  const clients = [1, 2, 3, 4, 5].map(() => someone().client);
  const went: Client[] = [];
  for (const client of clients) slots.acquire(client).then(() => went.push(client));
  const [first, second, third] = clients as [Client, Client, Client];
  await settle();
  expect(went).toEqual([first, second]);
  slots.release(first);
  await settle();
  expect(went).toEqual([first, second, third]);
  slots.release(second);
  slots.release(third);
  await settle();
  expect(went).toEqual(clients);
});

test("a client that leaves gives up its place in line; one that has a slot keeps it until it is released", async () => {
  const slots = createSlots({ maxCalls: 1 });
  const first = someone().client;
  await slots.acquire(first);
  const [leaves, leavesLater, last] = [someone(), someone(), someone().client];
  const [inLine, next] = [slots.acquire(leaves.client), slots.acquire(leavesLater.client)];
  leaves.leave();
  await expect(inLine).resolves.toBe("left");
  await expect(slots.acquire(leaves.client)).resolves.toBe("left");
  slots.release(first);
  leavesLater.leave();
  await expect(next).resolves.toBe("granted");
  let isLastOn = false;
  slots.acquire(last).then(() => {
    isLastOn = true;
  });
  await settle();
  expect(isLastOn).toBe(false);
  slots.release(leavesLater.client);
  await settle();
  expect(isLastOn).toBe(true);
});

test("the line has a bound, and who leaves it makes room", async () => {
  const slots = createSlots({ maxCalls: 1, maxCallsWaiting: 2 });
  const first = someone().client;
  await slots.acquire(first);
  const [second, third] = [someone(), someone().client];
  const outcomes: Outcome[] = [];
  for (const client of [second.client, third])
    slots.acquire(client).then((it) => outcomes.push(it));
  await expect(slots.acquire(someone().client)).resolves.toBe("tooMany");
  second.leave();
  const fourth = slots.acquire(someone().client);
  slots.release(first);
  await settle();
  expect(outcomes).toEqual(["left", "granted"]);
  slots.release(third);
  await expect(fourth).resolves.toBe("granted");
});

test("a call waits for no longer than the bound, and gets no slot afterwards", async () => {
  const slots = createSlots({ maxCalls: 1, callWaitMs: 50 });
  const first = someone().client;
  await slots.acquire(first);
  await expect(slots.acquire(someone().client)).resolves.toBe("tooLate");
  slots.release(first);
  await expect(slots.acquire(someone().client)).resolves.toBe("granted");
});

/** Two clients under way, and a clock that the test sets. */
async function startTwo() {
  const time = { now: 1_000_000 };
  setClock({ now: () => time.now });
  const bounds = { maxCalls: 2, maxUnreadMs: 1_000, maxUnreadInAllMs: 5_000 };
  const slots = createSlots(bounds);
  const ended: string[] = [];
  const under = { stuck: someone().client, reads: someone().client };
  for (const [name, client] of Object.entries(under)) {
    await slots.acquire(client);
    client.onLeave(() => {
      ended.push(name);
      slots.release(client);
    });
  }
  const stop = (client: Client) => {
    client.stopsReading(time.now);
    slots.notePause(client);
  };
  return { time, slots, ended, stop, stuck: under.stuck, reads: under.reads };
}

test("a client that does not read loses its slot when another has waited as long", async () => {
  const { time, slots, ended, stop, stuck } = await startTwo();
  stop(stuck);
  time.now += 60_000;
  const waiting = slots.acquire(someone().client);
  time.now += 999;
  await new Promise((resolve) => setTimeout(resolve, 500)); // the slots look at them several times
  expect(ended).toEqual([]);
  time.now += 1;
  await expect(waiting).resolves.toBe("granted");
  expect(ended).toEqual(["stuck"]);
  expect(stuck.wasEnded).toBe(true);
});

test("a client that reads too seldom loses its slot, too, one that reads again does not", async () => {
  const { time, slots, ended, stop, stuck, reads } = await startTwo();
  for (const client of [stuck, reads]) stop(client);
  time.now += 4_000;
  for (const client of [stuck, reads]) client.readsAgain(time.now);
  stop(stuck);
  slots.acquire(someone().client);
  slots.acquire(someone().client);
  time.now += 999;
  stuck.readsAgain(time.now);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(ended).toEqual([]);
  stop(stuck);
  time.now += 1;
  await until(() => ended.length > 0);
  expect(ended).toEqual(["stuck"]);
});

test("of two that do not read, one is ended for one that waits, and one that is done is left alone", async () => {
  const { time, slots, ended, stop, stuck, reads } = await startTwo();
  stop(stuck);
  slots.release(stuck);
  const third = someone().client;
  await slots.acquire(third);
  stop(third);
  stop(reads);
  for (const client of [third, reads]) {
    client.onLeave(() => {
      ended.push(client === third ? "third" : "reads");
      slots.release(client);
    });
  }
  const waiting = slots.acquire(someone().client);
  time.now += 1_000;
  await expect(waiting).resolves.toBe("granted");
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(ended).toHaveLength(1);
  expect(stuck.wasEnded).toBe(false);
});

test("nobody is ended while nobody waits, and nobody is looked at then", async () => {
  const { time, slots, ended, stop, stuck } = await startTwo();
  const stopped = jest.spyOn(globalThis, "clearInterval");
  stop(stuck);
  const inLine = someone();
  slots.acquire(inLine.client);
  inLine.leave();
  expect(stopped).toHaveBeenCalledTimes(1);
  stopped.mockRestore();
  time.now += 600_000;
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(ended).toEqual([]);
});

test.each(["left", "granted"] as const)(
  "a call that has %s the line leaves no timer there",
  async (outcome) => {
    const started = jest.spyOn(globalThis, "setTimeout");
    const ended = jest.spyOn(globalThis, "clearTimeout");
    const slots = createSlots({ maxCalls: 1 });
    const [first, second] = [someone().client, someone()];
    await slots.acquire(first);
    const before = started.mock.results.length;
    const waiting = slots.acquire(second.client);
    const timers = started.mock.results.slice(before).map(({ value }) => value as NodeJS.Timeout);
    if (outcome === "left") second.leave();
    else slots.release(first);
    await expect(waiting).resolves.toBe(outcome);
    expect(timers).toHaveLength(1);
    expect(ended.mock.calls.map(([timer]) => timer)).toContain(timers[0]);
    slots.release(outcome === "left" ? first : second.client);
  },
);

test("whoever begins something for a client that has left gives it up at once", () => {
  const { client, leave } = someone();
  let givenUp = 0;
  leave();
  client.onLeave(() => {
    givenUp += 1;
  });
  expect(givenUp).toBe(1);
});
