// Bad input and bad replies, each against the built action in a process of its own.

import { describe, expect, test } from "@jest/globals";
import type { Values } from "../../sandbox/runner.ts";
import {
  type Answer,
  cutOff,
  drip,
  endless,
  type FakeServer,
  json,
  raw,
  redirect,
  reset,
  silence,
  stall,
  startServer,
  TOKEN,
  text,
  token,
} from "../fixtures/server.ts";
import {
  API_KEY,
  APP_ID,
  ENCODED_PAIR,
  expectFailure,
  expectToken,
  type MainStep,
  RAW_PAIR,
  runMain,
} from "../fixtures/step.ts";

/** The main step against a server that gives these answers, and that server, closed again. */
async function stepAgainst(
  answers: readonly Answer[],
  inputs: Values = {},
): Promise<{ step: MainStep; server: FakeServer }> {
  const server = await startServer(answers);
  try {
    return { step: await runMain({ "api-url": server.url, ...inputs }), server };
  } finally {
    await server.close();
  }
}

describe("bad input", () => {
  const local = /^::error::/;
  test.concurrent.each<[string, Record<string, string>, (string | RegExp)[]]>([
    ["an undefined app-id", { "app-id": "" }, ["app-id is empty", "secret is not defined"]],
    ["an undefined api-key", { "api-key": "" }, ["api-key is empty", "secret is not defined"]],
    ["both undefined", { "app-id": "", "api-key": "" }, ["app-id is empty"]],
    ["a blank api-key", { "api-key": " \n " }, ["api-key is empty"]],
    ["a line break in app-id", { "app-id": "a\nb" }, ["app-id contains a line break"]],
    ["a line break in api-key", { "api-key": `${API_KEY}\n${API_KEY}` }, ["api-key contains a line break"]],
    ["a control character in api-key", { "api-key": `${API_KEY}\u0007x` }, ["api-key contains"]],
    ["no api-url", { "api-url": "" }, ["api-url is empty"]],
    ["a relative api-url", { "api-url": "/api" }, ["api-url is not an absolute URL"]],
    ["api-url over http", { "api-url": "http://armor.example" }, ["api-url", "https://"]],
    ["api-url over ftp", { "api-url": "ftp://armor.example" }, ["api-url", "https://"]],
    [
      "a user in api-url",
      { "api-url": `https://u:${encodeURIComponent(API_KEY)}@x.example` },
      ["api-url", "user name"],
    ],
    ["a query in api-url", { "api-url": "https://x.example?a=b" }, ["api-url", "query"]],
    ["a fragment in api-url", { "api-url": "https://x.example#a" }, ["api-url", "fragment"]],
    ["api-url that is the key", { "api-url": API_KEY }, ["api-url is not an absolute URL"]],
    ["timeout abc", { timeout: "abc" }, ["timeout", "from 1 to 300"]],
    ["timeout 0", { timeout: "0" }, ["timeout", "from 1 to 300"]],
    ["timeout -1", { timeout: "-1" }, ["timeout", "from 1 to 300"]],
    ["timeout 9999", { timeout: "9999" }, ["timeout", "from 1 to 300"]],
    ["timeout 1e9", { timeout: "1e9" }, ["timeout", "from 1 to 300"]],
    ["a keep-fresh that is none", { "keep-fresh": "60" }, ["keep-fresh", "true nor false"]],
    ["a boolean that is none", { "terminate-session": "yes" }, ["terminate-session", "true nor false"]],
    ["a certificate that is no PEM", { "ca-certificate": "/etc/corp.pem" }, ["ca-certificate is not PEM"]],
  ])("%s", async (_, inputs, says) => {
    const { step, server } = await stepAgainst([token()], inputs);
    expectFailure({ ...step, timeoutMs: 0 }, [local, ...says]);
    expect(server.requests).toEqual([]);
  });

  test.concurrent.each<[string, Record<string, string>]>([
    ["white space around the secrets", { "app-id": ` ${APP_ID}\n`, "api-key": `\t${API_KEY} \r\n` }],
    ["capitals in a boolean", { "terminate-session": "FALSE" }],
  ])("forgiven: %s", async (_, inputs) => {
    const { step, server } = await stepAgainst([token()], inputs);
    expectToken(step);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([ENCODED_PAIR]);
  });

  test.concurrent("forgiven: a slash at the end of api-url", async () => {
    const server = await startServer([token()]);
    expectToken(await runMain({ "api-url": `${server.url}/` }));
    await server.close();
    expect(server.requests[0]?.path).toBe("/api/v1/iam/session/oauth2/token");
  });
});

describe("statuses", () => {
  test.concurrent("401 in both encodings", async () => {
    const { step, server } = await stepAgainst([
      json(401, { error: "invalid_client", error_description: "no such app" }),
    ]);
    expectFailure(step, [
      "Armor does not accept",
      server.url,
      '401 invalid_client ("no such app")',
      "app-id and api-key",
    ]);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([ENCODED_PAIR, RAW_PAIR]);
  });

  test.concurrent("401 to the form-encoded pair, a token for the raw one", async () => {
    const { step } = await stepAgainst([json(401, { error: "invalid_client" }), token()]);
    expectToken(step);
  });

  test.concurrent.each<[number, string[]]>([
    [400, ["answered 400", "Check that api-url"]],
    [403, ["answered 403", "permissions"]],
    [404, ["answered 404", "Check api-url"]],
    [418, ["answered 418", "Check that api-url"]],
  ])("%i is asked once", async (status, says) => {
    const { step, server } = await stepAgainst([text(status, "<html>no</html>")]);
    expectFailure(step, [server.url, ...says]);
    expect(server.requests).toHaveLength(1);
  });

  test.concurrent("429 that asks for longer than is left", async () => {
    const { step, server } = await stepAgainst([text(429, "", { "Retry-After": "120" })]);
    expectFailure({ ...step, timeoutMs: 0 }, [server.url, "asks to wait 120 s", "timeout"]);
    expect(server.requests).toHaveLength(1);
  });

  test.concurrent("429 with Retry-After", async () => {
    const { step } = await stepAgainst([text(429, "", { "Retry-After": "1" }), token()]);
    expectToken(step);
    expect(step.ms).toBeGreaterThan(1_000);
  });

  test.concurrent("503 with Retry-After, in seconds and as a date", async () => {
    const inASecond = () => new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000).toUTCString();
    const { step } = await stepAgainst([
      text(503, "", { "Retry-After": "1" }),
      (response) => response.writeHead(503, { "Retry-After": inASecond() }).end(),
      token(),
    ]);
    expectToken(step);
    expect(step.ms).toBeGreaterThan(2_000);
  });

  test.concurrent.each<[string, Answer]>([
    ["500", text(500, "")],
    ["502", text(502, "<html>")],
    ["503", text(503, "")],
    ["a reset", reset],
    ["a reply cut off", cutOff],
  ])("%s passes, once or twice", async (_, answer) => {
    const once = await stepAgainst([answer, token()]);
    expectToken(once.step);
    expect(once.server.requests).toHaveLength(2);
    const { step, server } = await stepAgainst([answer, answer, token()]);
    expectToken(step);
    expect(server.requests).toHaveLength(3);
    expect(step.said.filter((line) => line.includes("trying again in"))).toHaveLength(2);
  });

  test.concurrent.each<[string, Answer, string | RegExp]>([
    ["500", text(500, ""), "answered 500, tried"],
    ["502", text(502, ""), "answered 502, tried"],
    ["503", text(503, ""), "answered 503, tried"],
    ["resets", reset, "No connection to"],
    ["replies cut off", cutOff, "broke off its answer, tried"],
    ["silence before the headers", silence, "No answer from"],
    ["silence in the middle of the body", stall, "began to answer and did not finish"],
    ["one byte at a time", drip, "began to answer and did not finish"],
    [
      "informational replies only",
      raw("HTTP/1.1 100 Continue\r\n\r\n", { thenEnd: false }),
      "No answer from",
    ],
    [
      "a switch of protocols",
      raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
      "No answer from",
    ],
  ])("for ever: %s", async (_, answer, says) => {
    const { step, server } = await stepAgainst([answer], { timeout: "1" });
    expectFailure(step, [server.url, says]);
  });

  test.concurrent("an endless body is not taken in", async () => {
    const sent = { bytes: 0 };
    const { step, server } = await stepAgainst([endless(sent)]);
    expectFailure(step, [server.url, "more than 1 MiB", "api-url"]);
    expect(sent.bytes).toBeLessThan(16 * 1024 * 1024);
    expect(server.requests).toHaveLength(1);
  });
});

describe("replies with 200", () => {
  test.concurrent.each<[string, Answer, string]>([
    ["a web page", text(200, "<!doctype html><title>Sign in</title>"), "a web page"],
    ["JSON null", text(200, "null"), "something else instead of a JSON object"],
    ["nothing", text(200, ""), "something else instead of a JSON object"],
    ["no access_token", token({ access_token: undefined }), "no access_token"],
    ["an empty access_token", token({ access_token: "" }), "no access_token"],
    ["a numeric access_token", token({ access_token: 12345 }), "no access_token"],
    [
      "an access_token with a line break",
      token({ access_token: `${TOKEN}\n::set-output name=x::y` }),
      "no header can carry",
    ],
    ["token_type mac", token({ token_type: "mac" }), "token_type other than Bearer"],
    ["expires_in abc", token({ expires_in: "abc" }), "expires_in that is no number"],
    ["expires_in -5", token({ expires_in: -5 }), "expires_in that is no number"],
    [
      "an error object",
      json(200, { error: "invalid_client" }),
      "an OAuth error instead of a token invalid_client",
    ],
    ["no HTTP", raw("SSH-2.0-OpenSSH_9.9\r\n"), "not HTTP"],
    [
      "endless headers",
      raw(`HTTP/1.1 200 OK\r\n${`X-Pad: ${"x".repeat(1000)}\r\n`.repeat(100)}\r\n`),
      "not HTTP",
    ],
  ])("refused: %s", async (_, answer, says) => {
    const { step, server } = await stepAgainst([answer]);
    expectFailure(step, [server.url, says, /Check (that|the) .*api-url/]);
    expect(server.requests).toHaveLength(1);
  });

  test.concurrent.each<[string, Record<string, unknown>, string]>([
    ["bearer in small letters", { token_type: "bearer" }, "60"],
    ["no token_type", { token_type: undefined }, "60"],
    ["expires_in as text", { expires_in: "60" }, "60"],
    ["no expires_in", { expires_in: undefined }, "60"],
    ["an hour", { expires_in: 3600 }, "3600"],
  ])("taken: %s", async (_, changes, expiresIn) => {
    const before = Date.now();
    const { step } = await stepAgainst([token(changes)]);
    expectToken(step);
    expect(step.outputs["expires-in"]).toBe(expiresIn);
    const lifetime = Date.parse(step.outputs["expires-at"] ?? "") - before;
    expect(lifetime).toBeGreaterThan((Number(expiresIn) - 1) * 1000);
    expect(lifetime).toBeLessThan((Number(expiresIn) + 5) * 1000);
  });
});

describe("error texts", () => {
  test.concurrent.each<[string, string, RegExp]>([
    ["repeats the key", `your key ${API_KEY} is wrong`, /your key \*\*\* is wrong/],
    ["repeats the key percent-encoded", encodeURIComponent(API_KEY), /\*\*\*/],
    ["repeats the key in capitals", API_KEY.toUpperCase(), /\*\*\*/],
    [
      "repeats the header",
      `got Authorization: ${RAW_PAIR} and ${ENCODED_PAIR}`,
      /Basic \*\*\* and Basic \*\*\*/,
    ],
    [
      "speaks workflow commands",
      "x\n::error::forged\r\n::add-mask::a\n##[error]forged",
      /x :error:forged :add-mask:a \[error\]forged/,
    ],
    ["is long", "long ".repeat(10_000), /long long [^.]{150,200}…/],
    ["is long before it repeats the key", `${"x".repeat(190)}${API_KEY}`, /x{190}\*\*\*/],
  ])("one that %s", async (_, description, says) => {
    const { step } = await stepAgainst([
      json(401, { error: "invalid_client", error_description: description }),
    ]);
    expectFailure(step, ["invalid_client", says]);
  });

  test.concurrent("one in the form of another", async () => {
    const { step } = await stepAgainst([
      json(401, { error: `::error::${API_KEY}`, error_description: { key: API_KEY } }),
    ]);
    expectFailure(step, [":error:***"]);
  });
});

describe("redirects", () => {
  test.concurrent.each([307, 308])("%i is followed, relative and to the same origin", async (status) => {
    const { step, server } = await stepAgainst([
      redirect(status, "/moved?x=1"),
      (response, request) => redirect(status, `http://${request.headers.host}/again`)(response, request),
      token(),
    ]);
    expectToken(step);
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "POST /api/v1/iam/session/oauth2/token",
      "POST /moved?x=1",
      "POST /again",
    ]);
    expect(new Set(server.requests.map(({ headers }) => headers.authorization))).toEqual(
      new Set([ENCODED_PAIR]),
    );
    expect(new Set(server.requests.map(({ body }) => body))).toEqual(
      new Set(["grant_type=client_credentials"]),
    );
  });

  test.concurrent("a loop ends", async () => {
    const { step, server } = await stepAgainst([redirect(308, "/")]);
    expectFailure(step, [server.url, "more than 5 times", "api-url"]);
    expect(server.requests).toHaveLength(6);
  });

  test.concurrent.each([301, 302, 303, 307, 308])(
    "%i to another host, which sees no request",
    async (status) => {
      const other = await startServer([token()]);
      try {
        const { step, server } = await stepAgainst([redirect(status, `${other.url}/x`)]);
        expectFailure(step, [server.url, other.url, "api-url"]);
        expect(other.connections).toBe(0);
      } finally {
        await other.close();
      }
    },
  );

  test.concurrent("to a host that is named like the key", async () => {
    const key = "abcdefghijklmnop";
    const { step } = await stepAgainst([redirect(308, `https://${key}.example/`)], { "api-key": key });
    expectFailure(step, ["https://***.example"]);
    expect(step.said.join("\n")).not.toContain(key);
  });
});
