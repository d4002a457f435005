import { randomBytes, randomUUID } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { startSandbox } from "../../../sandbox/armor.ts";

/** Short, so that a few calls through the gateway outlive a token. */
const TOKEN_LIFETIME_S = 5;

const file = process.argv[2];
const credentials = { appId: randomUUID(), apiKey: randomBytes(32).toString("base64url") };
const { url, requests } = await startSandbox({ ...credentials, tokenLifetime: TOKEN_LIFETIME_S });

// Any request ends the sandbox, and is answered with the requests that it got.
const control = createServer((_, response) => {
  response.once("close", () => process.exit());
  response.end(JSON.stringify(requests));
});
control.listen(0, "127.0.0.1", () => {
  const ready = { url, ...credentials, control: `http://127.0.0.1:${control.address().port}` };
  writeFileSync(`${file}.new`, JSON.stringify(ready), { mode: 0o600 });
  renameSync(`${file}.new`, file);
});
