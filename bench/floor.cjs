// The floor under the main step: the same exchange, on what Node has, without any of the care.

const { appendFileSync } = require("node:fs");

const url = new URL(`${process.env["INPUT_API-URL"]}/api/v1/iam/session/oauth2/token`);
const { request } = require(url.protocol === "https:" ? "node:https" : "node:http");
const pair = Buffer.from(`${process.env["INPUT_APP-ID"]}:${process.env["INPUT_API-KEY"]}`).toString("base64");
const body = "grant_type=client_credentials";
const headers = {
  Authorization: `Basic ${pair}`,
  "Content-Type": "application/x-www-form-urlencoded",
  "Content-Length": body.length,
  "X-Csrf-Header": '""',
};
request(url, { method: "POST", agent: false, headers }, (response) => {
  const chunks = [];
  response.on("data", (chunk) => chunks.push(chunk));
  response.on("end", () => {
    const { access_token } = JSON.parse(Buffer.concat(chunks));
    process.stdout.write(`::add-mask::${access_token}\n`);
    appendFileSync(process.env["GITHUB_OUTPUT"], `access-token=${access_token}\n`);
  });
}).end(body);
