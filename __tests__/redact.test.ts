import { describe, expect, test } from "@jest/globals";
import { quoteWithout, scrubber } from "../src/redact.ts";

describe("quoteWithout", () => {
  const quote = quoteWithout(["k::ey", "S3cr3t/+", "S3cr3t"]);

  test.each([
    ["plain words stay", "client is disabled", "client is disabled"],
    ["line breaks of every kind become spaces", "a\r\nb\u2028c\u0085d\ve", "a b c d e"],
    ["colours and other controls go", "\u001b[31mred\u001b[0m", "[31mred [0m"],
    ["zero-width and bidi marks go", "a\u200bb\u202ec\ufeff", "a b c"],
    [
      "a workflow command is none any more",
      "::error::you lost\n::stop-commands::x",
      ":error:you lost :stop-commands:x",
    ],
    ["nor is one of the old form", "##[error]x ##[add-mask]y", "[error]x [add-mask]y"],
    ["the secret goes", "key S3cr3t is wrong", "key *** is wrong"],
    ["the longer form goes whole", "S3cr3t/+", "***"],
    ["in any case of letters", "https://s3CR3T.example", "https://***.example"],
    ["also when the clean-up would put it together", "k::::ey k\u0000::ey", "k:ey k :ey"],
    ["and a secret with colons goes", "it is k::ey!", "it is ***!"],
    ["white space around goes", "  x \t", "x"],
    ["nothing stays nothing", "", ""],
  ])("%s", (_, text, expected) => {
    expect(quote(text)).toBe(expected);
  });

  test("cuts what is long, after scrubbing, so that no half of a secret is left", () => {
    const quoted = quote(`${"x".repeat(195)}S3cr3t${"y".repeat(50_000)}`);
    expect(quoted).toBe(`${"x".repeat(195)}***yy…`);
  });

  test("scrubs what the clean-up put together", () => {
    expect(quoteWithout(["a:b"])("say a::b")).toBe("say ***");
  });
});

describe("scrubber", () => {
  test("takes a secret literally, whatever pattern it looks like", () => {
    expect(scrubber(["a.*+?^$(){}|[]\\/-b"])("x a.*+?^$(){}|[]\\/-b y aaab")).toBe("x *** y aaab");
  });

  test("changes nothing where there is no secret", () => {
    expect(scrubber([])("text")).toBe("text");
  });
});
