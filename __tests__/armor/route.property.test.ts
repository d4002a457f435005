// Whatever the variables hold: with a proxy set and not bypassed, the proxy sees the connection, or there is
// an error before anything is sent. Only a proxy knows the host: a request past it would be a question to DNS.

import { afterAll, beforeAll, expect } from "@jest/globals";
import fc from "fast-check";
import { createSend } from "../../src/armor/http.ts";
import { tokenRequest } from "../../src/armor/oauth.ts";
import { proxyFor, takeRoute } from "../../src/armor/proxy.ts";
import type { ArmorError } from "../../src/errors.ts";
import { anyText, holds, trickyText } from "../fixtures/property.ts";
import { type FakeProxy, startAnsweringProxy } from "../fixtures/proxy.ts";

const HOST = "armor.corp.test";
const REQUEST = tokenRequest(`https://${HOST}`, "id:K3y-to-Armor");

let proxy: FakeProxy;

beforeAll(async () => {
  proxy = await startAnsweringProxy((client) => client.end("HTTP/1.1 403 No\r\n\r\n"));
});

afterAll(() => proxy.close());

const parts = "http:// HTTPS:// socks5:// // : @ / ? # [ ] user p%40ss %zz".split(" ");
const piece = fc.oneof(anyText, trickyText, fc.constantFrom(...parts));
const junk = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(""));
const userinfo = fc.oneof(
  fc.constant(""),
  fc.constantFrom("https://a.test/b?c=d#e", "user:p@", "user:p#d@", "us/er:p@", "user:100%@"),
  junk.map((text) => `${text}@`),
);
/** `HERE` is the address at which the proxy listens. */
const value = fc.oneof(
  fc
    .tuple(fc.constantFrom("http://", "HTTP://", ""), userinfo, fc.constantFrom("", "/"))
    .map(([scheme, user, end]) => `${scheme}${user}HERE${end}`),
  fc.tuple(junk, junk).map(([before, after]) => `${before}HERE${after}`),
  junk.filter((text) => text !== ""),
);
/** Nothing that names the host. */
const noProxy = fc.oneof(
  fc.constantFrom("", "example.com", "corp.test.example", "10.0.0.0/8", ".orp.test", "[", "*.x"),
  fc.constant("armor.corp.test:8443"),
  junk.filter((text) => !text.includes("*") && !text.includes("test")),
);

holds(
  "the proxy sees the connection, or the step fails before it sends anything",
  fc.asyncProperty(
    value,
    noProxy,
    fc.constantFrom("https_proxy", "HTTPS_PROXY"),
    async (made, bypass, variable) => {
      const text = made.replaceAll("HERE", `127.0.0.1:${proxy.port}`);
      const route = takeRoute({ [variable]: text, no_proxy: bypass });
      const seen = proxy.connects.length;
      // A made-up host would be looked up: what matters of it is that it is asked for.
      const address = await Promise.resolve(REQUEST.url)
        .then((url) => proxyFor(url, route))
        .catch((error: ArmorError) => error);
      if (!(address instanceof Error) && address?.origin !== `http://127.0.0.1:${proxy.port}`) {
        expect(address).toBeDefined();
        return;
      }
      const error = await createSend(route)(REQUEST, AbortSignal.timeout(10_000)).catch(
        (thrown: ArmorError) => thrown,
      );
      expect(error).toMatchObject({ name: "ArmorError", code: "proxy_refused" });
      expect((error as ArmorError).message).not.toContain("K3y-to-Armor");
      const says = address instanceof Error ? `variable ${variable} ` : `refuses to connect to ${HOST} (403)`;
      expect(error).toMatchObject({ message: expect.stringContaining(says) });
      if (!(address instanceof Error)) expect(proxy.connects.slice(seen)).toEqual([`${HOST}:443`]);
    },
  ),
);
