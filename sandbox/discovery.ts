// Key Insight as the sandbox knows it: one account with three connections, their scans and what those found.
// Shapes follow the vendor's OpenAPI document; the estate is made up, and the same at every start.

import { ACCOUNT, GROUP, id, inventory, type Json } from "./inventory.ts";

const MAX_PAGE = 100;

/** The answer to `GET` of this URL; undefined where there is nothing. @param isScanning while one scan goes on */
export function discovery(url: URL, isScanning: boolean): Json | undefined {
  const scans = isScanning ? [...ENDED_SCANS, LAST_SCAN] : [...ENDED_SCANS, ended(LAST_SCAN)];
  const parts = url.pathname.replace("/api/v1/discovery/", "").split("/");
  const [collection, key, report, detail] = parts;
  if (parts.length === 1 && collection === "connections") return connectionList(url);
  if (parts.length === 1 && collection === "scans") return page(scans, "scan_id", url);
  if (parts.length === 2 && collection === "pqc" && key === "report") return pqcReport();
  const scan = collection === "scans" ? scans.find(({ scan_id }) => scan_id === key) : undefined;
  if (scan === undefined) return undefined;
  if (parts.length === 2) return scan;
  if (parts.length === 3 && report === "scan_inventory_objects")
    return page(inventory(scan), "id", url);
  if (parts.length === 4 && report === "assessment_report" && detail === "aws")
    return awsAssessment();
  return undefined;
}

const CONNECTIONS = [
  {
    name: "aws-production",
    connection_config: {
      $type: "aws",
      aws_scope: { $type: "account", account_id: "210987654321" },
      creds: { $type: "open_id_connect", auth_config_id: id("aws sign-in") },
    },
    keys: { kms: { rsa2048: [140, 140], rsa4096: [63, 63], symmetric_default: [125, 0] } },
    certificates: { acm: { rsa2048: [84, 84] } },
  },
  {
    name: "azure-payments",
    connection_config: {
      $type: "azure",
      azure_scope: { $type: "subscription", subscription_id: id("subscription") },
      credentials: {
        $type: "open_id_connect",
        auth_config_id: id("azure sign-in"),
        client_id: id("client"),
      },
      tenant_id: id("tenant"),
    },
    keys: { key_vault: { rsa2048: [40, 40], ecc_nist_p384: [21, 21], oct_hsm: [77, 0] } },
  },
  {
    name: "datacenter-frankfurt",
    connection_config: {
      $type: "on_prem",
      config: { auth: { $type: "certificate", $value: btoa("certificate") } },
      state: { status: "connected" },
    },
    keys: { databases: { rsa2048: [903, 903], aes256: [61, 0] } },
  },
] as const;

function connectionList(url: URL): Json {
  const items = CONNECTIONS.map(({ name, connection_config }) => ({
    acct_id: ACCOUNT,
    connection_config,
    connection_id: id(name),
    created_at: "20260112T081500Z",
    group_id: GROUP,
    name,
    scan_filter: {},
  }));
  const metadata = { total_count: items.length, filtered_count: items.length };
  return { ...page(items, "connection_id", url), metadata };
}

const ENDED_SCANS = [
  scan("aws-production", "completed", "20261121T020000Z", "20261121T024713Z"),
  scan("azure-payments", "completed", "20261121T020004Z", "20261121T021140Z"),
  scan("datacenter-frankfurt", "failed", "20261121T020009Z", "20261121T020342Z", [
    "agent not reachable",
  ]),
  scan("datacenter-frankfurt", "completed", "20261120T020009Z", "20261120T031502Z"),
  scan("aws-production", "completed", "20261122T020000Z", "20261122T024655Z"),
];

const LAST_SCAN = scan("datacenter-frankfurt", "in_progress", "20261122T020009Z");

function ended(last: typeof LAST_SCAN) {
  const at = "20261122T031530Z";
  return { ...last, ended_at: at, last_updated_at: at, scan_status: "completed" };
}

function scan(
  connection: string,
  status: string,
  createdAt: string,
  endedAt?: string,
  errors?: string[],
) {
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

/** `limit` items behind `previous_id`, as Armor pages. */
function page(items: readonly Json[], key: string, url: URL): Json {
  const previous = url.searchParams.get("previous_id");
  const limit = Number(url.searchParams.get("limit") ?? MAX_PAGE) || MAX_PAGE;
  const start = previous === null ? 0 : items.findIndex((item) => item[key] === previous) + 1;
  return { items: items.slice(start, start + Math.min(limit, MAX_PAGE)) };
}

/** Of each service and key type: how many there are, and how many of them quantum computers can break. */
type Counts = Readonly<Record<string, Readonly<Record<string, readonly [number, number]>>>>;

function pqcReport(): Json {
  const estate = CONNECTIONS.map(({ name, connection_config, ...kinds }) => [name, kinds] as const);
  return {
    connection_summary: Object.fromEntries(estate.map(([name, kinds]) => [name, summary(kinds)])),
    connection_metrics: Object.fromEntries(estate.map(([name, kinds]) => [name, metrics(kinds)])),
  };
}

function summary(kinds: Readonly<Record<string, Counts>>): Json {
  return sum(
    Object.values(kinds).flatMap((services) => Object.values(services).flatMap(Object.values)),
  );
}

function metrics({ keys = {}, certificates }: Readonly<Record<string, Counts>>): Json {
  return {
    keys: byService(keys, "services_summary", "key_metrics"),
    resources: { overall_status: "pqc_safe", service_metrics: {} },
    ...(certificates && {
      certificates: byService(certificates, "services_metrics", "certificate_metrics"),
    }),
  };
}

function byService(services: Counts, total: string, byType: string): Json {
  const service_metrics = Object.entries(services).map(([service, types]) => [
    service,
    {
      overall_status: "pqc_vulnerable",
      [total]: sum(Object.values(types)),
      [byType]: Object.fromEntries(
        Object.entries(types).map(([type, counts]) => [type, sum([counts])]),
      ),
      vulnerable_regions: [],
    },
  ]);
  return { overall_status: "pqc_vulnerable", service_metrics: Object.fromEntries(service_metrics) };
}

function sum(counts: readonly (readonly [number, number])[]): Json {
  const add = (index: 0 | 1) => counts.reduce((total, pair) => total + pair[index], 0);
  return { total_count: add(0), pqc_vulnerable_count: add(1) };
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
