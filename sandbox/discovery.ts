// Key Insight as the sandbox knows it: one account with three connections, their scans and what those found.
// Shapes follow the vendor's OpenAPI document; the estate is made up, and the same at every start.

import { createHash } from "node:crypto";

type Json = Readonly<Record<string, unknown>>;

const ACCOUNT = id("account");
const GROUP = id("group");
/** With pages of 100 and a pause between them, an export takes longer than a token of some seconds lives. */
const INVENTORY_SIZE = 2_400;
const MAX_PAGE = 100;

/** The answer to `GET` of this URL; undefined where there is nothing. @param isScanning while one scan goes on */
export function discovery(url: URL, isScanning: boolean): Json | undefined {
  const scans = isScanning ? [...ENDED_SCANS, LAST_SCAN] : [...ENDED_SCANS, ended(LAST_SCAN)];
  const parts = url.pathname.replace("/api/v1/discovery/", "").split("/");
  const [collection, key, report, detail] = parts;
  if (parts.length === 1 && collection === "connections") return connectionList();
  if (parts.length === 1 && collection === "scans") return page(scans, "scan_id", url);
  if (parts.length === 2 && collection === "pqc" && key === "report") return pqcReport();
  const scan = collection === "scans" ? scans.find(({ scan_id }) => scan_id === key) : undefined;
  if (scan === undefined) return undefined;
  if (parts.length === 2) return scan;
  if (parts.length === 3 && report === "scan_inventory_objects") return page(inventory(scan), "id", url);
  if (parts.length === 4 && report === "assessment_report" && detail === "aws") return awsAssessment();
  return undefined;
}

/** A UUID that is the same for the same name. */
function id(name: string): string {
  const hex = createHash("sha256").update(name).digest("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}

const CONNECTIONS = [
  { name: "aws-production", kind: "aws", keys: 412, vulnerable: 287 },
  { name: "azure-payments", kind: "azure", keys: 138, vulnerable: 61 },
  { name: "datacenter-frankfurt", kind: "on_prem", keys: 964, vulnerable: 903 },
] as const;

function connectionList(): Json {
  const items = CONNECTIONS.map(({ name, kind }) => ({
    acct_id: ACCOUNT,
    connection_config: { $type: kind },
    connection_id: id(name),
    created_at: "20260112T081500Z",
    group_id: GROUP,
    name,
    scan_filter: {},
  }));
  return { items, metadata: { total_count: items.length, filtered_count: items.length } };
}

const ENDED_SCANS = [
  scan("aws-production", "completed", "20261121T020000Z", "20261121T024713Z"),
  scan("azure-payments", "completed", "20261121T020004Z", "20261121T021140Z"),
  scan("datacenter-frankfurt", "failed", "20261121T020009Z", "20261121T020342Z", ["agent not reachable"]),
  scan("aws-production", "completed", "20261122T020000Z", "20261122T024655Z"),
];

const LAST_SCAN = scan("datacenter-frankfurt", "in_progress", "20261122T020009Z");

function ended(last: typeof LAST_SCAN) {
  const at = "20261122T031530Z";
  return { ...last, ended_at: at, last_updated_at: at, scan_status: "completed" };
}

function scan(connection: string, status: string, createdAt: string, endedAt?: string, errors?: string[]) {
  return {
    acct_id: ACCOUNT,
    connection_id: id(connection),
    created_at: createdAt,
    ...(endedAt === undefined ? {} : { ended_at: endedAt }),
    group_id: GROUP,
    last_updated_at: endedAt ?? createdAt,
    ...(errors === undefined ? {} : { scan_errors: errors }),
    scan_id: id(`${connection} ${createdAt}`),
    scan_status: status,
  };
}

const KEY_SPECS = ["RSA_2048", "RSA_4096", "ECC_NIST_P256", "SYMMETRIC_DEFAULT"] as const;

function inventory({ scan_id, created_at }: { scan_id: string; created_at: string }): Json[] {
  return Array.from({ length: INVENTORY_SIZE }, (_, index) => {
    const key = id(`${scan_id} key ${index}`);
    const spec = KEY_SPECS[index % KEY_SPECS.length];
    return {
      acct_id: ACCOUNT,
      details: {
        $type: "aws",
        account: { id: "210987654321" },
        arn: `arn:aws:kms:eu-central-1:210987654321:key/${key}`,
        details: {
          $type: "kms",
          analysis: { quantum_vulnerable: spec !== "SYMMETRIC_DEFAULT" },
          key_aliases: [`alias/service-${index}`],
          key_id: key,
          key_spec: spec,
          key_state: "Enabled",
        },
        region: "eu-central-1",
      },
      group_id: GROUP,
      id: id(`${scan_id} object ${index}`),
      scan_id,
      scanned_at: created_at,
    };
  });
}

/** `limit` items behind `previous_id`, as Armor pages. */
function page(items: readonly Json[], key: string, url: URL): Json {
  const previous = url.searchParams.get("previous_id");
  const limit = Number(url.searchParams.get("limit") ?? MAX_PAGE) || MAX_PAGE;
  const start = previous === null ? 0 : items.findIndex((item) => item[key] === previous) + 1;
  return { items: items.slice(start, start + Math.min(limit, MAX_PAGE)) };
}

function pqcReport(): Json {
  const summary = CONNECTIONS.map(({ name, keys, vulnerable }) => [
    name,
    { total_count: keys, pqc_vulnerable_count: vulnerable },
  ]);
  return { connection_summary: Object.fromEntries(summary), connection_metrics: {} };
}

function awsAssessment(): Json {
  return {
    risk_assessment: { findings: {}, overall_risk: "high" },
    security_issues: {
      quantum_vulnerable_key: { count: 287 },
      key_rotation_disabled: { count: 34 },
      overly_permissive_key_usage: { count: 9 },
    },
    violations_by_service: {
      kms: {
        quantum_vulnerable_key: { count: 203, risk_level: "high" },
        key_rotation_disabled: { count: 34, risk_level: "medium" },
      },
      acm: { quantum_vulnerable_key: { count: 84, risk_level: "high" } },
    },
  };
}
