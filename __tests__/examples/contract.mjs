// `npm run contract -- openapi.json`: the sandbox's Key Insight data, with which the example scripts are tested,
// against the vendor's OpenAPI document. A property that the document does not have is a fault, too.

import { readFileSync } from "node:fs";
import Ajv2019 from "ajv/dist/2019.js";
import addFormats from "ajv-formats";
import { discovery } from "../../sandbox/discovery.ts";

const ROOT = "/api/v1/discovery/";

/** Named schemas that are a part of another one by `allOf` stay open; all others are closed. */
function close(schemas) {
  const parts = Object.values(schemas).flatMap(({ allOf = [] }) => allOf.map(({ $ref }) => $ref));
  for (const [name, schema] of Object.entries(schemas)) {
    const isPart = parts.includes(`#/components/schemas/${name}`);
    if (schema.allOf && !isPart) schema.unevaluatedProperties = false;
  }
}

function get(path) {
  const answer = discovery(new URL(ROOT + path, "http://127.0.0.1"), false);
  if (answer === undefined) throw new Error(`the sandbox has no ${path}`);
  return answer;
}

function* calls() {
  yield ["connections", "connections"];
  yield ["scans", "scans"];
  yield ["pqc/report", "pqc/report"];
  for (const { scan_id: scan } of get("scans").items) {
    yield [`scans/${scan}`, "scans/{id}"];
    yield [`scans/${scan}/scan_inventory_objects`, "scans/{id}/scan_inventory_objects"];
    yield [`scans/${scan}/assessment_report/aws`, "scans/{id}/assessment_report/aws"];
  }
}

function run(file) {
  const { components, paths } = JSON.parse(readFileSync(file, "utf8"));
  close(components.schemas);
  const ajv = new Ajv2019({ strict: false, logger: false });
  addFormats(ajv);
  ajv.addFormat("url", (text) => URL.canParse(text));
  ajv.addSchema({ $id: "armor", components });
  const faults = new Set();
  let count = 0;
  for (const [path, template] of calls()) {
    const { schema } = paths[ROOT + template].get.responses["2XX"].content["application/json"];
    const validate = ajv.getSchema(`armor${schema.$ref}`);
    count += 1;
    if (validate(get(path))) continue;
    for (const { instancePath, message, params } of validate.errors) {
      faults.add(
        `${template}${instancePath.replace(/\/\d+/g, "/*")} ${message} ${JSON.stringify(params)}`,
      );
    }
  }
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  process.stdout.write(`${count} replies of the sandbox, ${faults.size} faults\n`);
  process.exitCode = faults.size === 0 && count > 0 ? 0 : 1;
}

const [file] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write("usage: npm run contract -- path/to/openapi.json\n");
  process.exitCode = 2;
} else {
  run(file);
}
