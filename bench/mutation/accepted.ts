// biome-ignore-all lint/suspicious/noTemplateCurlyInString: texts of the sources as they stand there
// Survivors that are no gap in the tests: what they change cannot be seen, or need not be.

export interface Accepted {
  readonly file: string;
  /** The line on which it begins, trimmed. */
  readonly text: string;
  readonly original: string;
  readonly replacement: string;
  readonly why: string;
}

export const ACCEPTED: readonly Accepted[] = [
  {
    file: "src/redact.ts",
    text: "return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());",
    original: "/[A-Z]+/g",
    replacement: "/[A-Z]/g",
    why: "Letter by letter gives the same text.",
  },
  {
    file: "src/step/outputs.ts",
    text: 'const path = process.env[variable] ?? "";',
    original: '""',
    replacement: '"Stryker was here!"',
    why: "The variable is set: checkFiles has seen to it.",
  },
  {
    file: "src/step/outputs.ts",
    text: 'const lists = NO_PROXY_VARIABLES.map((name) => (env[name] ?? "").split(/[\\s,]+/).filter(Boolean));',
    original: "/[\\s,]+/",
    replacement: "/[\\s,]/",
    why: "Empty entries are dropped in the same line.",
  },
  {
    file: "src/step/main.ts",
    text: "await sleep(CANCEL_MS, undefined, { ref: false });",
    original: "{ ref: false }",
    replacement: "{}",
    why: "src/index.ts ends the process whatever is left.",
  },
  {
    file: "src/step/main.ts",
    text: "await sleep(CANCEL_MS, undefined, { ref: false });",
    original: "false",
    replacement: "true",
    why: "src/index.ts ends the process whatever is left.",
  },
  {
    file: "src/step/main.ts",
    text: 'saveState("ca_certificate", inputs.certificates.join("\\n"));',
    original: '"\\n"',
    replacement: '""',
    why: "loadState splits before each certificate's first line, wherever that begins.",
  },
  {
    file: "src/step/post.ts",
    text: '} else if (state.isComplete && line !== "") {',
    original: 'line !== ""',
    replacement: "true",
    why: "An empty line in the log.",
  },
  {
    file: "src/step/post.ts",
    text: "const isLate = state.agentFolder === undefined && state.expiresAt < systemClock.date();",
    original: "state.expiresAt < systemClock.date()",
    replacement: "state.expiresAt <= systemClock.date()",
    why: "One millisecond of the real clock.",
  },
  {
    file: "src/armor/network-error.ts",
    text: "const [, problem, remedy] = faults.find(([codes]) => codes.test(word)) ?? [];",
    original: "[]",
    replacement: '["Stryker was here"]',
    why: "The first element is not taken.",
  },
  {
    file: "src/armor/network-error.ts",
    text: "return problem && remedy ? new ArmorError(code, `${who} ${problem} (${word})`, remedy) : undefined;",
    original: "problem && remedy",
    replacement: "problem || remedy",
    why: "A fault has both, or there is none.",
  },
  {
    file: "src/armor/network-error.ts",
    text: 'const { name, code, message = "" } = error as NodeJS.ErrnoException;',
    original: '""',
    replacement: '"Stryker was here!"',
    why: "Only a text with OpenSSL's reason matches.",
  },
  {
    file: "src/armor/credentials.ts",
    text: 'const padded = Buffer.from(text, "utf8").toString("base64");',
    original: '"utf8"',
    replacement: '""',
    why: "Node takes an empty encoding for utf8.",
  },
  {
    file: "src/armor/credentials.ts",
    text: 'return [padded, urlSafe].flatMap((form) => [form, form.replace(/=+$/, "")]);',
    original: "/=+$/",
    replacement: "/=+/",
    why: "Base64 has = at its end only.",
  },
  {
    file: "src/armor/oauth.ts",
    text: "} catch {",
    original: "{ return undefined; }",
    replacement: "{}",
    why: "The same.",
  },
  {
    file: "src/armor/oauth.ts",
    text: 'function dateOf(text = ""): number | undefined {',
    original: '""',
    replacement: '"Stryker was here!"',
    why: "Neither is a date.",
  },
  {
    file: "src/armor/oauth.ts",
    text: 'const value = headers["retry-after"]?.trim() ?? "";',
    original: '""',
    replacement: '"Stryker was here!"',
    why: "Neither is a number or a date.",
  },
  {
    file: "src/armor/proxy.ts",
    text: "} catch {",
    original: "{ return undefined; }",
    replacement: "{}",
    why: "The same.",
  },
  {
    file: "src/armor/proxy.ts",
    text: "const entries = noProxy.toLowerCase().split(/[\\s,]+/);",
    original: "/[\\s,]+/",
    replacement: "/[\\s,]/",
    why: "Empty entries match no host.",
  },
  {
    file: "src/armor/proxy.ts",
    text: 'const credentials = proxy.credentials && Buffer.from(proxy.credentials, "utf8").toString("base64");',
    original: '"utf8"',
    replacement: '""',
    why: "Node takes an empty encoding for utf8.",
  },
];
