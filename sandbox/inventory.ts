// What a scan of each connection found: keys, certificates, services, and cryptography in source code.
// Shapes follow the vendor's OpenAPI document.

import { createHash } from "node:crypto";

export type Json = Readonly<Record<string, unknown>>;

export interface ScanKey {
  readonly scan_id: string;
  readonly connection_id: string;
  readonly created_at: string;
}

/** The repository of the source code scan. Its one commit is made anew, with this hash, where it is needed. */
export const SOURCE = {
  repo_url: "https://github.com/org/payments",
  revision: "77c1c984a59bdeb98cca9d0db1ea928563b04c42",
} as const;

export const ACCOUNT = id("account");
export const GROUP = id("group");
/** With pages of 100 and a pause between them, an export takes longer than a token of some seconds lives. */
const AWS_SIZE = 2_400;
const AZURE_SIZE = 138;

/** A UUID that is the same for the same name. */
export function id(name: string): string {
  const hex = createHash("sha256").update(name).digest("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}

const made = new Map<string, Json[]>();

export function inventory(scan: ScanKey): Json[] {
  const known = made.get(scan.scan_id) ?? makeInventory(scan);
  made.set(scan.scan_id, known);
  return known;
}

function makeInventory(scan: ScanKey): Json[] {
  return detailsOf(scan).map((details, index) => ({
    acct_id: ACCOUNT,
    details,
    group_id: GROUP,
    id: id(`${scan.scan_id} object ${index}`),
    scan_id: scan.scan_id,
    scanned_at: scan.created_at,
  }));
}

function detailsOf({ connection_id }: ScanKey): Json[] {
  if (connection_id === id("azure-payments")) return Array.from({ length: AZURE_SIZE }, azureKey);
  if (connection_id === id("datacenter-frankfurt")) return onPremises();
  return Array.from({ length: AWS_SIZE }, awsObject);
}

function awsObject(_: unknown, index: number): Json {
  if (index % 50 === 48) return certificate(index);
  if (index % 50 === 49) return bucket(index);
  return kmsKey(index);
}

const KMS_KINDS = [
  { key_spec: "rsa2048", key_usage: "sign_verify" },
  { key_spec: "rsa4096", key_usage: "encrypt_decrypt" },
  { key_spec: "ecc_nist_p256", key_usage: "sign_verify" },
  { key_spec: "symmetric_default", key_usage: "encrypt_decrypt" },
] as const;

function kmsKey(index: number): Json {
  const key = id(`kms key ${index}`);
  return aws(`kms:eu-central-1:210987654321:key/${key}`, {
    $type: "kms",
    analysis: {
      ...compliance(index % 16 !== 0, "RSA keys need at least 3072 bits"),
      is_shared: false,
    },
    key_aliases: [`alias/service-${index}`],
    key_creation_date: "20240305T101500Z",
    key_id: key,
    key_manager: "customer",
    key_origin: "kms",
    key_state: index % 30 === 7 ? "disabled" : "enabled",
    ...KMS_KINDS[index % KMS_KINDS.length],
  });
}

function certificate(index: number): Json {
  const arn = `acm:eu-central-1:210987654321:certificate/${id(`certificate ${index}`)}`;
  return aws(arn, {
    $type: "acm",
    analysis: { is_expired: false, is_shared: false, overly_permissive_usage_violation: false },
    certificate_arn: `arn:aws:${arn}`,
    created_at: "20260201T000000Z",
    domain_name: `service-${index}.example.com`,
    issuer: "Amazon",
    key_algorithm: "rsa2048",
    not_valid_after: "20270301T235959Z",
    not_valid_before: "20260201T000000Z",
    renewal_eligibility: "eligible",
    serial: createHash("sha256").update(arn).digest("hex").slice(0, 32),
    signature_algorithm: "sha256_with_rsa",
    status: "issued",
    used_by_services: [],
  });
}

function bucket(index: number): Json {
  return aws(`s3:::reports-${index}`, {
    $type: "s3",
    analysis: {
      encrypted_with_noncompliant_key: false,
      encryption_status: "encrypted_with_customer_managed_key",
    },
    name: `reports-${index}`,
    server_side_encryption_rules: [{ bucket_key_enabled: true }],
  });
}

function aws(resource: string, details: Json): Json {
  const account = { id: "210987654321" };
  return { $type: "aws", account, arn: `arn:aws:${resource}`, details, region: "eu-central-1" };
}

const VAULT_KINDS = ["rsa2048", "ecc_nist_p384", "oct_hsm"] as const;

function azureKey(_: unknown, index: number): Json {
  const subscription = id("subscription");
  const name = `payments-${index}`;
  const vault = `/subscriptions/${subscription}/resourceGroups/payments/providers/Microsoft.KeyVault/vaults/eu`;
  return {
    $type: "azure",
    details: {
      $type: "kv_key_version",
      analysis: { ...compliance(true), is_shared: false },
      is_current_version: true,
      is_key_managed: false,
      key_attributes: {
        created_at: "20250110T090000Z",
        expiry_date: "20270110T090000Z",
        is_enabled: true,
        is_exportable: false,
        recoverable_days: 90,
        recovery_level: "recoverable",
        updated_at: "20250110T090000Z",
      },
      key_name: name,
      key_ops: ["sign", "verify"],
      key_type: VAULT_KINDS[index % VAULT_KINDS.length],
      key_vault_access_tier: "premium",
      key_vault_name: "eu",
      key_vault_uri: "https://eu.vault.azure.net/",
      key_version: id(name).replaceAll("-", ""),
      tags: {},
    },
    region: "west_europe",
    resource_group: { name: "payments" },
    resource_id: `${vault}/keys/${name}`,
    subscription: { id: subscription, name: "Payments", tenant_id: id("tenant") },
  };
}

function onPremises(): Json[] {
  const details = [
    databaseKey("billing-master", "master_key", "rsa2048"),
    databaseKey("billing-data", "data_encryption_key", "aes256"),
    database("billing"),
    keyFile("/etc/ssl/private/gateway.key"),
    certificateFile("/etc/ssl/certs/gateway.pem"),
    {
      $type: "on_prem_source_code_repo",
      ...SOURCE,
      analysis: { asset_count: 6, violations: {} },
      ...BRANCH,
    },
    ...COMPONENTS.map(component),
  ];
  return details.map((one, index) => ({
    $type: "on_prem",
    details: one,
    resource_host_details: { uri: "frankfurt.example.com" },
    resource_id: `frankfurt-${index}`,
  }));
}

const BRANCH = { name: "payments", branch: "main" };

function databaseKey(name: string, category: string, algorithm: string): Json {
  return {
    $type: "on_prem_key",
    analysis: {
      ...compliance(algorithm !== "rsa2048", "RSA keys need at least 3072 bits"),
      key_rotation_compliance: "compliant",
      usage_details: {},
    },
    created_at: "20230615T000000Z",
    encryption_algorithm: algorithm,
    expires_at: "20270615T000000Z",
    key_category: category,
    key_rotation_status: { $type: "not_rotated" },
    key_source: "native",
    name,
    status: "valid",
  };
}

function database(name: string): Json {
  return {
    $type: "on_prem_ms_sql_database",
    analysis: {
      encrypted_with_noncompliant_key: true,
      encrypted_with_quantum_vulnerable_key: true,
    },
    database_name: name,
    encrypted: "encrypted",
    encryption_details: [{ encryption_key_id: "billing-master", encryption_key_use: "tde" }],
  };
}

function keyFile(path: string): Json {
  const metadata = { private_key: { algorithm: { skipped: 0 }, encryption: "unencrypted" } };
  return file(path, metadata, { key_spec: "ecdsa_p256", violations: ["quantum_vulnerable"] });
}

function certificateFile(path: string): Json {
  const metadata = {
    certificate: {
      issuer_cn: { CN: "Example Internal CA" },
      pubkey_algorithm: { skipped: 0 },
      serial: "4C:1F:09",
      signature_algorithm: { skipped: 0 },
      subject_cn: { CN: "gateway.example.com" },
      valid_from_unix_millis: Date.UTC(2026, 0, 1),
      valid_to_unix_millis: Date.UTC(2027, 0, 1),
    },
  };
  return file(path, metadata, { key_spec: "ecdsa_p256", violations: [] });
}

function file(path: string, metadata: Json, analysis: Json): Json {
  const seen = Date.UTC(2026, 10, 20);
  return {
    $type: "filesystem",
    agent_info: { first_seen_at_unix_millis: seen, last_seen_at_unix_millis: seen },
    analysis,
    host_info: {
      hostname: "gateway-1",
      id: "gateway-1",
      ips: ["192.0.2.10"],
      os_string: "Debian 13",
    },
    object: { file_info: { file_path: path, modification_unix_millis: seen }, metadata },
  };
}

interface Component {
  readonly name: string;
  readonly asset_type: string;
  readonly key_spec?: string;
  readonly location: string;
  readonly line: number | null;
  readonly vulnerable: boolean | null;
  readonly reason?: string;
}

const COMPONENTS: readonly Component[] = [
  {
    name: "RSA-2048",
    asset_type: "private-key",
    key_spec: "rsa2048",
    location: "src/signing.py",
    line: 6,
    vulnerable: true,
  },
  {
    name: "RSA-PKCS1v15",
    asset_type: "algorithm",
    location: "src/signing.py",
    line: 10,
    vulnerable: true,
  },
  {
    name: "SHA-256",
    asset_type: "algorithm",
    key_spec: "sha256",
    location: "src/signing.py",
    line: 10,
    vulnerable: false,
  },
  {
    name: "SHA-1",
    asset_type: "algorithm",
    key_spec: "sha1",
    location: "src/old format.py",
    line: 5,
    vulnerable: null,
    reason: "SHA-1 is not allowed",
  },
  // Places that no reader can be sent to: no line, a file that the revision does not have.
  { name: "RSA-4096", asset_type: "key", location: "src/signing.py", line: null, vulnerable: true },
  { name: "ECDSA", asset_type: "algorithm", location: "vendor/keys.py", line: 3, vulnerable: true },
];

function component({
  name,
  asset_type,
  key_spec,
  location,
  line,
  vulnerable,
  reason,
}: Component): Json {
  return {
    $type: "on_prem_source_code_component",
    ...SOURCE,
    analysis: { is_quantum_vulnerable: vulnerable, ...compliance(reason === undefined, reason) },
    details: {
      asset_type,
      bom_ref: id(`component ${name}`),
      ...(key_spec === undefined ? {} : { key_spec }),
      name,
      occurrences: [{ line, location }],
    },
  };
}

function compliance(isCompliant: boolean, reason = ""): Json {
  return {
    crypto_policy_compliance: isCompliant
      ? { is_compliant: true }
      : { is_compliant: false, violation_reason: reason },
  };
}
