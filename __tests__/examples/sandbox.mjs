// Key Insight with the sandbox's data; it wants no token, as the gateway does not.

import { createServer } from "node:http";
import { discovery } from "../../sandbox/discovery.ts";

/** Starts it on a free port. @returns its address, and what ends it */
export async function serveSandbox() {
  const server = createServer((request, response) => {
    const answer = discovery(new URL(request.url ?? "/", "http://127.0.0.1"), false);
    response.writeHead(answer ? 200 : 404).end(JSON.stringify(answer ?? { error: "not_found" }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
