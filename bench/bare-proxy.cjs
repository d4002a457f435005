// The floor under the token agent: a reverse proxy that adds a token, on what Node has, without any
// of the care.

const { readFileSync } = require("node:fs");
const http = require("node:http");
const https = require("node:https");

const { apiUrl, token } = JSON.parse(readFileSync(0, "utf8"));
const { protocol, hostname, port, host } = new URL(apiUrl);
const { request, Agent } = protocol === "https:" ? https : http;
const agent = new Agent({ keepAlive: true });

const server = http.createServer(({ url, method, headers: given }, response) => {
  const headers = { ...given, host, authorization: `Bearer ${token}` };
  request({ hostname, port, path: url, method, headers, agent }, (reply) => {
    response.writeHead(reply.statusCode, reply.headers);
    reply.pipe(response);
  }).end();
});
server.listen(0, "127.0.0.1", 4_096, () => process.stdout.write(`${server.address().port}\n`));
