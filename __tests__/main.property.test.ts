// The main step with made-up credentials and replies: what it prints, hands on and ends with.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "@jest/globals";
import fc from "fast-check";
import { parseFileCommand } from "../sandbox/runner.ts";
import { ERROR_CODES } from "../src/errors.ts";
import type { ApiReply, Send } from "../src/http.ts";
import { DEFAULTS } from "../src/inputs.ts";
import { main } from "../src/main.ts";
import { networkError } from "../src/network-error.ts";
import { formEncode } from "../src/oauth.ts";
import { fetchToken } from "../src/token.ts";
import { NO_CRASH } from "./fixtures/in-process.ts";
import { formsOf, leaksIn } from "./fixtures/leaks.ts";
import { anyText, holds, seeded, trickyText } from "./fixtures/property.ts";
import { virtualClock } from "./fixtures/virtual-clock.ts";

const ORIGIN = "https://armor.example";

/** A piece of what a server says: text, or the key in one of the forms that it knows or could make. */
type Piece = string | { readonly form: number; readonly isUpperCase: boolean };

const piece: fc.Arbitrary<Piece> = fc.oneof(anyText, trickyText, {
  weight: 2,
  arbitrary: fc.record({ form: fc.nat(), isUpperCase: fc.boolean() }),
});
const words = fc.array(piece, { maxLength: 6 });
type Words = readonly Piece[];

interface Credentials {
  readonly appId: string;
  readonly apiKey: string;
}

/** What the server could repeat of the credentials, found here without src/secrets.ts. */
function formsIn({ appId, apiKey }: Credentials): string[] {
  const pairs = [`${appId}:${apiKey}`, `${formEncode(appId)}:${formEncode(apiKey)}`];
  const base64 = [apiKey, ...pairs].flatMap((text) => [
    Buffer.from(text).toString("base64"),
    Buffer.from(text).toString("base64url"),
  ]);
  return [apiKey, formEncode(apiKey), encodeURIComponent(apiKey), ...base64];
}

function spell(pieces: Words, forms: readonly string[]): string {
  return pieces
    .map((part) => {
      if (typeof part === "string") return part;
      const form = forms[part.form % forms.length] ?? "";
      return part.isUpperCase ? form.toUpperCase() : form;
    })
    .join("");
}

function isWords(value: unknown): value is Words {
  const isPiece = (part: unknown) =>
    typeof part === "string" || (typeof part === "object" && part !== null && "form" in part);
  return Array.isArray(value) && value.every(isPiece);
}

/** Long enough that it does not stand in a sentence by chance, and no pattern of asterisks, which replace it. */
const secretText = fc
  .oneof(
    fc.string({ unit: "binary", minLength: 8, maxLength: 60 }),
    fc.string({ unit: "grapheme-ascii", minLength: 8, maxLength: 60 }),
    fc
      .array(fc.oneof(trickyText, fc.string({ minLength: 1, maxLength: 6 })), { minLength: 4 })
      .map((all) => all.join("")),
  )
  // As the environment and @actions/core hand it on.
  .map((text) => text.replaceAll("\0", "").toWellFormed().trim())
  .filter((text) => /[^*\s]{6}/.test(text) && text.length >= 8);

const plainToken = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 200,
});
const goodBody = fc.record(
  {
    access_token: plainToken,
    token_type: fc.constantFrom("Bearer", "bearer", "BEARER"),
    expires_in: fc.oneof(
      fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      fc.double({ min: 0.001, max: 1e9, noNaN: true }),
      fc.constantFrom("60", "1.5"),
    ),
  },
  { requiredKeys: ["access_token"] },
);
const badBody = fc.record(
  {
    access_token: fc.oneof(plainToken, words, fc.jsonValue()),
    token_type: fc.oneof(fc.constant("Bearer"), words, fc.jsonValue()),
    expires_in: fc.oneof(fc.integer(), fc.double(), words, fc.jsonValue()),
    error_description: words,
  },
  { requiredKeys: ["access_token"] },
);
const errorBody = fc.record(
  { error: words, error_description: words, access_token: plainToken },
  { requiredKeys: ["error"] },
);

const reply = fc.record({
  status: fc.oneof(
    { weight: 3, arbitrary: fc.constant(200) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        201,
        204,
        301,
        302,
        307,
        308,
        400,
        401,
        403,
        404,
        408,
        418,
        429,
        500,
        502,
        503,
        504,
      ),
    },
    { weight: 1, arbitrary: fc.integer({ min: 100, max: 999 }) },
  ),
  body: fc.oneof(
    { weight: 5, arbitrary: goodBody },
    { weight: 2, arbitrary: badBody },
    { weight: 5, arbitrary: errorBody },
    fc.jsonValue(),
    words,
  ),
  retryAfter: fc.option(fc.oneof(fc.nat(400).map(String), fc.date().map(String), words), { nil: undefined }),
  location: fc.option(words, { nil: undefined }),
  /** The network fails instead. */
  failure: fc.option(fc.record({ code: words, message: words }), { nil: undefined, freq: 8 }),
});
type MadeUpReply = typeof reply extends fc.Arbitrary<infer T> ? T : never;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A body's fields; what the server says beside a token may repeat that, too. */
function spellFields(
  body: Readonly<Record<string, unknown>>,
  forms: readonly string[],
): Record<string, unknown> {
  const token = body["access_token"];
  const known = typeof token === "string" ? [...forms, token] : forms;
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => [name, isWords(value) ? spell(value, known) : value]),
  );
}

/** Sends these replies in turn, the last one for ever. */
function sending(replies: readonly MadeUpReply[], forms: readonly string[]): Send {
  const text = (value: unknown): unknown => (isWords(value) ? spell(value, forms) : value);
  let count = 0;
  return async ({ url }): Promise<ApiReply> => {
    const made = replies[Math.min(count, replies.length - 1)];
    if (made === undefined) throw new Error("no reply");
    count += 1;
    const { status, body, retryAfter, location, failure } = made;
    if (failure !== undefined) {
      const error = { code: spell(failure.code, forms), message: spell(failure.message, forms) };
      throw networkError(error, { url, proxy: undefined, isReplying: status > 500 });
    }
    const spelled = isObject(body) ? JSON.stringify(spellFields(body, forms)) : String(text(body));
    const headers = {
      ...(retryAfter === undefined ? {} : { "retry-after": String(text(retryAfter)) }),
      ...(location === undefined ? {} : { location: String(text(location)) }),
    };
    return { url, status, headers, body: spelled, receivedAt: 0 };
  };
}

const world = fc.record({
  credentials: fc.record({
    appId: fc.oneof(fc.uuid(), secretText),
    apiKey: secretText,
  }),
  replies: fc.array(reply, { minLength: 1, maxLength: 4 }),
  seed: fc.nat(),
});

type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

describe("the main step, for any credentials and replies", () => {
  const folder = mkdtempSync(join(tmpdir(), "armor-property-"));
  const files = { GITHUB_OUTPUT: join(folder, "output"), GITHUB_STATE: join(folder, "state") };
  const before = { ...process.env };

  beforeAll(() => {
    Object.assign(process.env, files);
    for (const [name, value] of Object.entries(DEFAULTS)) process.env[`INPUT_${name.toUpperCase()}`] = value;
    process.env["INPUT_API-URL"] = ORIGIN;
  });

  afterAll(() => {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    rmSync(folder, { recursive: true });
  });

  /** One run: all that it printed, left behind and ended with. */
  async function run({ credentials, replies, seed }: World) {
    for (const file of Object.values(files)) writeFileSync(file, "");
    process.env["INPUT_APP-ID"] = credentials.appId;
    process.env["INPUT_API-KEY"] = credentials.apiKey;
    const forms = formsIn(credentials);
    const printed: string[] = [];
    const { write } = process.stdout;
    const exitCode = process.exitCode;
    process.stdout.write = (text) => printed.push(String(text)) > 0;
    process.exitCode = 1;
    try {
      await main(process.env, NO_CRASH, {
        send: sending(replies, forms),
        clock: virtualClock(seeded(seed)),
        dist: folder,
      });
      const lines = printed.join("").split(/\r?\n/).slice(0, -1);
      const [output, state] = Object.values(files).map((file) => readFileSync(file, "utf8"));
      return { exitCode: process.exitCode, lines, output: output ?? "", state: state ?? "" };
    } finally {
      process.stdout.write = write;
      process.exitCode = exitCode;
    }
  }

  holds(
    "no secret is printed, masks come first, and outputs are whole or none",
    fc.asyncProperty(world, async (made) => {
      const { exitCode, lines, output, state } = await run(made);
      const { appId, apiKey } = made.credentials;
      const said = lines.filter((line) => !line.startsWith("::add-mask::"));
      const pairs = [`${appId}:${apiKey}`, `${formEncode(appId)}:${formEncode(apiKey)}`];
      expect(leaksIn(said.join("\n"), formsOf(apiKey, pairs))).toEqual([]);
      const issued = tokensIn(made);
      for (const text of issued.filter(isRecognizable)) {
        expect(leaksIn(said.join("\n"), formsOf(text))).toEqual([]);
      }

      const outputs = parseFileCommand(output);
      const token = outputs["access-token"] ?? "";
      // A server may take into its head to give the key out as a token, which is one then.
      const kept = (output + state)
        .replaceAll(`access-token=${token}\n`, "")
        .replaceAll(`access_token=${token}\n`, "");
      expect(leaksIn(kept, formsOf(apiKey, pairs))).toEqual([]);

      const masks = lines.findIndex((line) => !line.startsWith("::add-mask::"));
      expect(lines[0]).toBe(`::add-mask::${escapeData(apiKey)}`);
      expect(masks).toBeGreaterThan(0);
      expect(said.join("")).not.toMatch(/undefined|\[object|NaN/);

      if (exitCode === 0) {
        expect(issued).toContain(token);
        expect(token).toMatch(/^[\x21-\x7e]+$/);
        expect(lines.slice(-2)).toEqual([
          `::add-mask::${escapeData(token)}`,
          expect.stringMatching(
            /^Access token from https:\/\/armor\.example, valid for [\d.e+-]+ s, until [\d-]+T[\d:]+Z\.$/,
          ),
        ]);
        expect(outputs).toEqual({
          "access-token": token,
          "token-type": "Bearer",
          "expires-in": expect.stringMatching(/^[\d.e+-]+$/),
          "expires-at": expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        });
        expect(parseFileCommand(state)).toMatchObject({ main_succeeded: "true", access_token: token });
      } else {
        expect(outputs).toEqual({});
        expect(parseFileCommand(state)).toEqual({ main_started: "true" });
        expect(lines.at(-1)).toMatch(/^::error::.+\.$/);
        expect(said.filter((line) => line.startsWith("::"))).toHaveLength(1);
        expect(lines.at(-1)?.length).toBeLessThan(1_200);
      }
    }),
  );

  holds(
    "a reply gives a valid token or an error of the closed list",
    fc.asyncProperty(world, async ({ credentials, replies, seed }) => {
      const armor = {
        apiUrl: ORIGIN,
        send: sending(replies, formsIn(credentials)),
        clock: virtualClock(seeded(seed)),
        timeoutMs: 30_000,
        quote: String,
        onRetry: () => undefined,
      };
      try {
        const { accessToken, expiresIn, expiresAt } = await fetchToken(armor, credentials);
        expect(accessToken).toMatch(/^[\x21-\x7e]+$/);
        expect(expiresIn).toBeGreaterThan(0);
        expect(new Date(expiresAt).toISOString()).toMatch(/^\d{4}-/);
      } catch (error) {
        expect(error).toMatchObject({
          name: "ArmorError",
          code: expect.any(String),
          remedy: expect.any(String),
        });
        expect(ERROR_CODES).toContain((error as { code: string }).code);
      }
    }),
  );
});

/** What the replies give as tokens, good or not. */
function tokensIn({ credentials, replies }: World): string[] {
  return replies.flatMap(({ body }) => {
    const token = isObject(body) ? spellFields(body, formsIn(credentials))["access_token"] : undefined;
    return typeof token === "string" ? [token] : [];
  });
}

/** Long enough to be looked for in a sentence. */
function isRecognizable(text: string): boolean {
  return /[^:#\s]{12}/.test(text);
}

/** As the runner wants a command's data (actions/toolkit, command.ts). */
function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}
