import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { expect, test } from "@jest/globals";
import { Client } from "../../src/agent/client.ts";
import { Slots } from "../../src/agent/slots.ts";

/** A client, and what makes it leave. */
function clientThatCanLeave(): { client: Client; leave: () => void } {
  const response = Object.assign(new EventEmitter(), { writableFinished: false });
  const client = new Client(response as unknown as ServerResponse);
  return { client, leave: () => response.emit("close") };
}

const stay = () => clientThatCanLeave().client;
const settle = () => new Promise(setImmediate);

test("as many as there are slots go on, the others wait in the order in which they came", async () => {
  const slots = new Slots(2);
  const went: number[] = [];
  for (const name of [1, 2, 3, 4, 5]) slots.acquire(stay()).then(() => went.push(name));
  await settle();
  expect(went).toEqual([1, 2]);
  slots.release();
  await settle();
  expect(went).toEqual([1, 2, 3]);
  slots.release();
  slots.release();
  await settle();
  expect(went).toEqual([1, 2, 3, 4, 5]);
});

test("who leaves gives up the place, and takes no slot", async () => {
  const slots = new Slots(1);
  await expect(slots.acquire(stay())).resolves.toBe(true);
  const { client, leave } = clientThatCanLeave();
  const left = slots.acquire(client);
  const next = slots.acquire(stay());
  leave();
  await expect(left).resolves.toBe(false);
  slots.release();
  await expect(next).resolves.toBe(true);
});

test("who has left before gets none", async () => {
  const { client, leave } = clientThatCanLeave();
  leave();
  const slots = new Slots(1);
  await expect(slots.acquire(client)).resolves.toBe(false);
  await expect(slots.acquire(stay())).resolves.toBe(true);
});

test("who leaves with a slot keeps it until it is released, and no other is lost", async () => {
  const slots = new Slots(1);
  await slots.acquire(stay());
  const { client, leave } = clientThatCanLeave();
  const second = slots.acquire(client);
  slots.release();
  leave();
  await expect(second).resolves.toBe(true);
  let hasThird = false;
  slots.acquire(stay()).then(() => {
    hasThird = true;
  });
  await settle();
  expect(hasThird).toBe(false);
  slots.release();
  await settle();
  expect(hasThird).toBe(true);
});
