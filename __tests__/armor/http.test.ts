import tls from "node:tls";
import { describe, expect, jest, test } from "@jest/globals";
import { type ApiRequest, send, trustCertificates } from "../../src/armor/http.ts";
import { tokenRequest } from "../../src/armor/oauth.ts";
import { useNock } from "../fixtures/nock.ts";

const nock = useNock();
const HOST = "https://armor.example";
const { signal } = new AbortController();

function request(path = "/x"): ApiRequest {
  return { method: "POST", url: new URL(HOST + path), headers: {}, body: "a=b" };
}

describe("what is sent", () => {
  test("is the request, as asked, and nothing about the runner", async () => {
    process.env["ACTIONS_ORCHESTRATION_ID"] = "a-job-of-somebody";
    let headers: object = {};
    nock(HOST)
      .post("/api/v1/iam/session/oauth2/token", "grant_type=client_credentials")
      .reply(200, "{}")
      .on("request", (sent: { headers: Headers }) => {
        headers = Object.fromEntries(sent.headers);
      });
    await send(tokenRequest(HOST, "id:key"), signal);
    delete process.env["ACTIONS_ORCHESTRATION_ID"];
    expect(headers).toEqual({
      accept: "application/json",
      authorization: "Basic aWQ6a2V5",
      connection: "close",
      "content-length": "29",
      "content-type": "application/x-www-form-urlencoded",
      host: "armor.example",
      "user-agent": "armor-token-action",
      "x-csrf-header": '""',
    });
  });
});

describe("what comes back", () => {
  test("is status, headers and body", async () => {
    nock(HOST).post("/x").reply(201, "höhe", { "X-Thing": "1", "Set-Cookie": "a=b" });
    const before = Date.now();
    const reply = await send(request(), signal);
    expect(reply).toMatchObject({
      url: new URL(`${HOST}/x`),
      status: 201,
      body: "höhe",
      headers: { "x-thing": "1", "set-cookie": "a=b" },
    });
    expect(reply.receivedAt).toBeGreaterThanOrEqual(before);
  });

  test.each([301, 302, 303, 307, 308])("is a redirect itself, unfollowed: %i", async (status) => {
    nock(HOST).post("/x").reply(status, "", { Location: "https://other.example/" });
    await expect(send(request(), signal)).resolves.toMatchObject({ status });
  });

  test.each([500, 502, 503, 504])("is a failure itself, not retried: %i", async (status) => {
    nock(HOST).post("/x").reply(status);
    await expect(send(request(), signal)).resolves.toMatchObject({ status });
  });

  test("is at most a MiB", async () => {
    nock(HOST)
      .post("/x")
      .reply(200, "x".repeat(1024 * 1024));
    await expect(send(request(), signal)).resolves.toMatchObject({ status: 200 });
    nock(HOST)
      .post("/x")
      .reply(200, "x".repeat(1024 * 1024 + 1));
    await expect(send(request(), signal)).rejects.toMatchObject({
      code: "reply_invalid",
      problem: "https://armor.example answered with more than 1 MiB, which is no token response",
    });
  });
});

describe("what goes wrong", () => {
  test("is told by its circumstances", async () => {
    nock(HOST)
      .post("/x")
      .replyWithError(Object.assign(new Error("words of Node's"), { code: "ENOTFOUND" }));
    await expect(send(request(), signal)).rejects.toMatchObject({ code: "host_unknown" });
  });

  test("a signal ends it while there is no answer", async () => {
    const late = new AbortController();
    nock(HOST).post("/x").delay(60_000).reply(200);
    const failure = send(request(), late.signal);
    setImmediate(() => late.abort());
    await expect(failure).rejects.toMatchObject({
      code: "reply_timeout",
      problem: "No answer from https://armor.example",
    });
    nock.abortPendingRequests();
  });

  test("a fault of the action itself is not taken for one of the network", async () => {
    const faulty = {
      get "X-Broken"(): string {
        throw new RangeError("broken");
      },
    };
    await expect(send({ ...request(), headers: faulty }, signal)).rejects.toThrow(new RangeError("broken"));
  });

  test("a signal that came before ends it at once", async () => {
    await expect(send(request(), AbortSignal.abort())).rejects.toMatchObject({ code: "reply_timeout" });
  });

  test.each([
    ["socks5://proxy.example:1080", "given as socks5: address, which is not supported"],
    ["not a proxy", "not given as a valid address"],
  ])("a proxy of %p is refused before anything is sent", async (value, says) => {
    process.env["https_proxy"] = value;
    await expect(send(request(), signal)).rejects.toMatchObject({
      code: "proxy_refused",
      message: expect.stringContaining(says),
    });
    delete process.env["https_proxy"];
  });
});

describe("trustCertificates", () => {
  test("adds to what Node trusts", () => {
    const set = jest.spyOn(tls, "setDefaultCACertificates").mockImplementation(() => undefined);
    trustCertificates(["PEM"]);
    expect(set).toHaveBeenCalledWith([...tls.getCACertificates("default"), "PEM"]);
  });

  test("says what is missing where Node cannot", () => {
    const { setDefaultCACertificates } = tls;
    Object.assign(tls, { setDefaultCACertificates: undefined });
    expect(() => trustCertificates(["PEM"])).toThrow(
      expect.objectContaining({
        code: "runner_unsupported",
        message: expect.stringMatching(
          /^ca-certificate needs .*tls\.setDefaultCACertificates.*2\.328\.0.*NODE_EXTRA_CA_CERTS/,
        ),
      }),
    );
    Object.assign(tls, { setDefaultCACertificates });
  });
});
