// The floor under the main step: the same exchange on what Node has, without any of the care. With
// keep-fresh it also starts a bare proxy, hands it the token, and waits until that listens.

const { spawn } = require("node:child_process");
const { appendFileSync } = require("node:fs");
const { join } = require("node:path");

const apiUrl = process.env["INPUT_API-URL"];
const url = new URL(`${apiUrl}/api/v1/iam/session/oauth2/token`);
const { request } = require(url.protocol === "https:" ? "node:https" : "node:http");
const pair = Buffer.from(`${process.env["INPUT_APP-ID"]}:${process.env["INPUT_API-KEY"]}`).toString(
  "base64",
);
const body = "grant_type=client_credentials";
const headers = {
  Authorization: `Basic ${pair}`,
  "Content-Type": "application/x-www-form-urlencoded",
  "Content-Length": body.length,
  "X-Csrf-Header": '""',
};

function hand(name, value) {
  appendFileSync(process.env["GITHUB_OUTPUT"], `${name}=${value}\n`);
}

function startProxy(token) {
  const proxy = spawn(process.execPath, [join(__dirname, "bare-proxy.cjs")], {
    detached: true,
    stdio: ["pipe", "pipe", "ignore"],
  });
  proxy.stdin.end(JSON.stringify({ apiUrl, token }));
  proxy.stdout.once("data", (port) => {
    hand("gateway-url", `http://127.0.0.1:${Number(port)}`);
    hand("pid", proxy.pid);
    proxy.stdout.destroy();
    proxy.unref();
  });
}

request(url, { method: "POST", agent: false, headers }, (response) => {
  const chunks = [];
  response.on("data", (chunk) => chunks.push(chunk));
  response.on("end", () => {
    const { access_token } = JSON.parse(Buffer.concat(chunks));
    process.stdout.write(`::add-mask::${access_token}\n`);
    hand("access-token", access_token);
    if (process.env["INPUT_KEEP-FRESH"] === "true") startProxy(access_token);
  });
}).end(body);
