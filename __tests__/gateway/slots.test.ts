import { EventEmitter } from "node:events";
import { expect, test } from "@jest/globals";
import { Client, Slots } from "../../src/gateway/slots.ts";

/** A client, and its leaving before the reply is written. */
function someone() {
  const response = Object.assign(new EventEmitter(), { writableFinished: false });
  return { client: new Client(response as never), leave: () => response.emit("close") };
}

const stays = someone().client;
const settle = () => new Promise(setImmediate);

test("as many calls as there are slots go on, the others wait in the order in which they came", async () => {
  const slots = new Slots(2);
  const went: number[] = [];
  for (const name of [1, 2, 3, 4, 5]) slots.acquire(stays).then(() => went.push(name));
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

test("a client that leaves gives up its place in line; one that has a slot keeps it until it is released", async () => {
  const slots = new Slots(1);
  await slots.acquire(stays);
  const [leaves, leavesLater] = [someone(), someone()];
  const [inLine, next] = [slots.acquire(leaves.client), slots.acquire(leavesLater.client)];
  leaves.leave();
  await expect(inLine).resolves.toBe(false);
  await expect(slots.acquire(leaves.client)).resolves.toBe(false);
  slots.release();
  leavesLater.leave();
  await expect(next).resolves.toBe(true);
  let isLastOn = false;
  slots.acquire(stays).then(() => {
    isLastOn = true;
  });
  await settle();
  expect(isLastOn).toBe(false);
  slots.release();
  await settle();
  expect(isLastOn).toBe(true);
});
