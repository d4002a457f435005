import { describe, expect, test } from "@jest/globals";
import { type Door, judgeRequest, type Knock } from "../../src/agent/guard.ts";

const door: Door = { host: "127.0.0.1:4711", capability: "c4p4bility" };
const HOST = ["Host", door.host];

function knock(target: string, headers: readonly string[] = HOST, method = "GET"): Knock {
  return { method, target, rawHeaders: headers };
}

const api = (path: string) => knock(`/${door.capability}${path}`);

describe("judgeRequest", () => {
  test.each<[string, Knock, object]>([
    ["the token", api("/token"), { route: "token" }],
    ["the end", knock("/c4p4bility/stop", HOST, "POST"), { route: "stop" }],
    ["a call", api("/api/v1/discovery/scans"), { route: "api", target: "/api/v1/discovery/scans" }],
    ["any method", knock("/c4p4bility/api/x", HOST, "PURGE"), { route: "api", target: "/api/x" }],
    ["the header's name in any case", knock("/c4p4bility/token", ["hOST", door.host]), { route: "token" }],
  ])("admits %s", (_, asked, expected) => {
    expect(judgeRequest(asked, door)).toEqual(expected);
  });

  test.each([
    "/api/",
    "/api/v1/",
    "/api//v1",
    "/api/v1/scans?limit=10&filter=a%20eq%20'../x'&next=/../",
    "/api/a.b/..c/...",
    "/api/~user/a;b=c",
    "/api/100%25",
    "/api/caf%C3%A9",
    "/api/x?",
  ])("admits the path %s", (target) => {
    expect(judgeRequest(api(target), door)).toEqual({ route: "api", target });
  });

  test.each([
    "/api/..",
    "/api/../token",
    "/api/./x",
    "/api/x/..",
    "/api/%2e%2e/x",
    "/api/%2E./x",
    "/api/%252e%252e/x",
    "/api/%25252e%25252e/x",
    "/api/%2525252525252e/x",
    "/api/..;/x",
    "/api/..%20",
    "/api/%20../x",
    "/api/..;a=b/x",
    "/api/a%2fb",
    "/api/a%5Cb",
    "/api/a\\b",
    "/api/%00",
    "/api/%0d%0aX:y",
    "/api/%",
    "/api/%zz",
    "/api/%ff",
    "/api/x#y",
    "/api/x y",
    "/api/\u00e9",
    "/api/x?\u0001",
  ])("refuses the path %j", (target) => {
    expect(judgeRequest(api(target), door)).toMatchObject({ status: 400, error: "bad_target" });
  });

  test.each(["", "/", "/api", "/apix/", "/API/x", "/tokens", "/token/", "/token?x", "/stop/", "/%61pi/x"])(
    "knows no %j",
    (path) => {
      expect(judgeRequest(api(path), door)).toMatchObject(
        path === "" ? { status: 403, error: "wrong_capability" } : { status: 404, error: "not_found" },
      );
    },
  );

  test.each([
    ["POST", "/token"],
    ["HEAD", "/token"],
    ["GET", "/stop"],
  ])("takes no %s of %s", (method, path) => {
    expect(judgeRequest(knock(`/c4p4bility${path}`, HOST, method), door)).toMatchObject({
      status: 405,
      error: "method_not_allowed",
    });
  });

  test.each([
    "/",
    "/token",
    "/c4p4bilit/token",
    "/c4p4bilitx/token",
    "/c4p4bilityx/token",
    "/C4P4BILITY/token",
    "//c4p4bility/token",
    "/%634p4bility/token",
    "/c4p4bilit\u00ff/token",
  ])("needs the capability: %s", (target) => {
    expect(judgeRequest(knock(target), door)).toMatchObject({ status: 403, error: "wrong_capability" });
  });

  test.each(["http://127.0.0.1:4711/c4p4bility/token", "http://evil.example/", "*", "evil.example:443", ""])(
    "takes a path and nothing else: %j",
    (target) => {
      expect(judgeRequest(knock(target), door)).toMatchObject({ status: 400, error: "bad_target" });
    },
  );

  test.each<[string, string[]]>([
    ["another host", ["Host", "evil.example:4711"]],
    ["another name for loopback", ["Host", "localhost:4711"]],
    ["another port", ["Host", "127.0.0.1:80"]],
    ["no port", ["Host", "127.0.0.1"]],
    ["no host", []],
    ["two hosts", [...HOST, "host", "evil.example"]],
    ["the same twice", [...HOST, ...HOST]],
    ["an origin", [...HOST, "Origin", "http://127.0.0.1:4711"]],
    ["an empty origin", [...HOST, "origin", ""]],
    ["a referer", [...HOST, "REFERER", "http://127.0.0.1:4711/"]],
    ["a browser's fetch", [...HOST, "Sec-Fetch-Site", "none"]],
    ["a reverse proxy", [...HOST, "X-Forwarded-For", "10.0.0.1"]],
    ["a reverse proxy's host", [...HOST, "x-forwarded-host", door.host]],
  ])("refuses %s, before the capability is looked at", (_, headers) => {
    for (const target of ["/c4p4bility/token", "/wrong/token"]) {
      expect(judgeRequest(knock(target, headers), door)).toMatchObject({
        status: 403,
        error: "foreign_request",
      });
    }
  });

  test("a value that looks like a name is none", () => {
    expect(judgeRequest(knock("/c4p4bility/token", [...HOST, "X-Note", "Origin"]), door)).toEqual({
      route: "token",
    });
  });

  test("refuses to switch protocols", () => {
    const asked = knock("/c4p4bility/api/x", [...HOST, "Connection", "upgrade", "Upgrade", "websocket"]);
    expect(judgeRequest(asked, door)).toMatchObject({ status: 400, error: "bad_target" });
  });
});
