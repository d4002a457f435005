// `npm run picture`: what the nightly report's summary looks like on GitHub, as docs/images/nightly-light.png and
// nightly-dark.png. The script that users run makes the summary from the sandbox's data and thirty made-up nights;
// Mermaid and a browser draw it. Needs Chromium (apt-get install chromium, or CHROMIUM=path).

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { marked } from "marked";
import { serveSandbox } from "./sandbox.mjs";

const ROOT = join(import.meta.dirname, "..", "..");
const SCRIPTS = join(ROOT, "examples", "scripts");
const IMAGES = join(ROOT, "docs", "images");
const MERMAID = createRequire(import.meta.url).resolve("mermaid/dist/mermaid.min.js");
const CHROMIUM = process.env.CHROMIUM ?? "chromium";

const TOKEN = "a-token-of-the-job";
const LAST_NIGHT = Date.UTC(2026, 10, 21, 2, 17, 9);
const DAY_MS = 86_400_000;
const NIGHTS = 29;
/** In pixels of the page; a picture has twice as many, for screens that show them. */
const WIDTH = 900;
const HEIGHT = 960;

/** Colours of GitHub's own pages (primer/primitives). */
const MODES = [
  {
    name: "light",
    theme: "default",
    text: "#1f2328",
    page: "#ffffff",
    border: "#d1d9e0",
    row: "#f6f8fa",
  },
  {
    name: "dark",
    theme: "dark",
    text: "#f0f6fc",
    page: "#0d1117",
    border: "#3d444d",
    row: "#151b23",
  },
];

/** A history in which the numbers fall, and rise again in the last night. */
function history() {
  const runs = Array.from({ length: NIGHTS }, (_, night) => {
    const left = NIGHTS - 1 - night;
    const at = new Date(LAST_NIGHT - left * DAY_MS).toISOString().replace(/\.\d+Z$/, "Z");
    const connections = {
      "aws-production": [412, 280 + 3 * left],
      "azure-payments": [138, 61 + Math.floor(left / 2)],
      "datacenter-frankfurt": [964, 903],
    };
    return { at, connections };
  });
  const details = {
    "aws-production": {
      "certificates, acm, rsa2048": 84,
      "keys, kms, rsa2048": 133,
      "keys, kms, rsa4096": 63,
    },
    "azure-payments": { "keys, key_vault, rsa2048": 40, "keys, key_vault, ecc_nist_p384": 21 },
    "datacenter-frankfurt": { "keys, databases, rsa2048": 903 },
  };
  return JSON.stringify({ runs, details });
}

async function startGitHub(folder) {
  const state = join(folder, "state");
  await writeFile(
    state,
    JSON.stringify({ artifacts: [{ name: "pqc-history", content: history() }] }),
  );
  const program = join(import.meta.dirname, "github_stand_in.py");
  const child = spawn("python3", ["-B", program, "--state", state], {
    env: { ...process.env, GITHUB_TOKEN: TOKEN },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(child.stdout, "data");
  return { url: line.toString("utf8").trim(), close: () => child.kill() };
}

/** @returns the summary as Markdown */
async function makeSummary(folder, armor, github) {
  const summary = join(folder, "summary.md");
  const code = [
    "import sys; from datetime import datetime, timedelta",
    `sys.path.insert(0, ${JSON.stringify(SCRIPTS)}); import nightly_report`,
    `nightly_report.utc_now = lambda: datetime.utcfromtimestamp(${LAST_NIGHT / 1000}) + timedelta(days=1)`,
    "nightly_report.run(nightly_report.main)",
  ].join("\n");
  const env = {
    PATH: process.env.PATH,
    ARMOR_GATEWAY_URL: armor.url,
    GITHUB_API_URL: github.url,
    GITHUB_TOKEN: TOKEN,
    GITHUB_REPOSITORY: "org/payments",
    GITHUB_REF_NAME: "main",
    GITHUB_RUN_ID: "701",
    GITHUB_RUN_NUMBER: "30",
    GITHUB_OUTPUT: join(folder, "output"),
    GITHUB_STEP_SUMMARY: summary,
  };
  const child = spawn("python3", ["-B", "-c", code, join(folder, "history.json")], {
    env,
    stdio: "inherit",
  });
  const [status] = await once(child, "close");
  if (status !== 0) throw new Error("nightly_report.py failed");
  return await readFile(summary, "utf8");
}

function page(markdown, { theme, text, page: background, border, row }) {
  const body = marked
    .parse(markdown)
    .replaceAll('<pre><code class="language-mermaid">', '<pre class="mermaid">')
    .replaceAll("</code></pre>", "</pre>");
  return `<!doctype html><meta charset="utf-8"><style>
    body { font: 16px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, "DejaVu Sans", sans-serif;
      color: ${text}; background: ${background}; margin: 24px 32px; }
    h2, h3 { font-weight: 600; line-height: 1.25; }
    h2 { border-bottom: 1px solid ${border}; padding-bottom: .3em; margin-top: 0; }
    table { border-collapse: collapse; } th, td { border: 1px solid ${border}; padding: 6px 13px; }
    tr:nth-child(2n) { background: ${row}; }
    code { font: 85% ui-monospace, "DejaVu Sans Mono", monospace; background: ${row}; padding: .2em .4em;
      border-radius: 6px; }
    .mermaid { text-align: center; margin: 0; }
    </style>${body}<script src="${pathToFileURL(MERMAID)}"></script>
    <script>mermaid.initialize({ startOnLoad: true, theme: "${theme}" });</script>`;
}

function draw(html, picture) {
  const { status, stderr, error } = spawnSync(
    CHROMIUM,
    [
      "--headless",
      "--no-sandbox",
      "--hide-scrollbars",
      "--force-device-scale-factor=2",
      `--window-size=${WIDTH},${HEIGHT}`,
      "--virtual-time-budget=10000",
      `--screenshot=${picture}`,
      pathToFileURL(html).href,
    ],
    { encoding: "utf8" },
  );
  if (error !== undefined || status !== 0)
    throw new Error(`${CHROMIUM}: ${error?.message ?? stderr}`);
}

const folder = await mkdtemp(join(tmpdir(), "armor-picture-"));
const armor = await serveSandbox();
const github = await startGitHub(folder);
try {
  const markdown = await makeSummary(folder, armor, github);
  await mkdir(IMAGES, { recursive: true });
  for (const mode of MODES) {
    const html = join(folder, `${mode.name}.html`);
    await writeFile(html, page(markdown, mode));
    draw(html, join(IMAGES, `nightly-${mode.name}.png`));
  }
} finally {
  github.close();
  armor.close();
  await rm(folder, { recursive: true, force: true });
}
