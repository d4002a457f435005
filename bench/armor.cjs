// A server in Armor's place that answers at once and checks nothing, in a process of its own.

const BODY = JSON.stringify({
  items: Array(12).fill({ scan_status: "completed", connection_id: "0123456789abcdef" }),
});
const CHUNK = Buffer.alloc(65_536, "x");
const JSON_TYPE = { "Content-Type": "application/json" };

let minted = 0;

function token(request, response) {
  minted += 1;
  const answer = {
    access_token: `t0k3n-${minted}`.padEnd(60, "x"),
    token_type: "Bearer",
    expires_in: 60,
  };
  request.resume().on("end", () => response.writeHead(200, JSON_TYPE).end(JSON.stringify(answer)));
}

/**
 * The head at once, with the time by the clock that all processes share; the body half a second
 * later.
 */
function late(_, response) {
  response
    .writeHead(200, { ...JSON_TYPE, "X-Sent-At": String(process.hrtime.bigint()) })
    .flushHeaders();
  setTimeout(() => response.end(BODY), 500);
}

function stream(request, response) {
  let left = Number(request.url.split("?bytes=")[1]) / CHUNK.length;
  const more = () => {
    while (left > 0) {
      left -= 1;
      if (!response.write(CHUNK)) return;
    }
    response.end();
  };
  response.on("drain", more);
  more();
}

const ROUTES = {
  "/api/v1/iam/session/oauth2/token": token,
  "/api/v1/iam/session/terminate": (request, response) => {
    request.resume().on("end", () => response.writeHead(204).end());
  },
  "/api/v1/discovery/scans": (_, response) => response.writeHead(200, JSON_TYPE).end(BODY),
  "/api/v1/discovery/late": late,
  "/api/v1/discovery/stream": stream,
  "/api/v1/discovery/forbidden": (_, response) => response.writeHead(401, JSON_TYPE).end("{}"),
  "/minted": (_, response) => response.writeHead(200, { "X-Minted": minted }).end(),
};

const listener = (request, response) => ROUTES[request.url.split("?")[0]](request, response);
const { key, cert } = process.env;
const server = cert
  ? require("node:https").createServer({ key, cert }, listener)
  : require("node:http").createServer(listener);
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", 4_096, () => process.stdout.write(`${server.address().port}\n`));
