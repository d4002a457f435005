import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { filesIn } from "./out.mjs";

export async function cbomFaults(folder) {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
  const faults = await Promise.all(
    (await filesIn(folder, ".cbom.json")).map(async ({ name, text }) => {
      const errors = (await validator.validate(text)) ?? [];
      return [...errors, ...strayReferences(JSON.parse(text))].map(
        (fault) => `${name}: ${show(fault)}`,
      );
    }),
  );
  return faults.flat();
}

const show = (fault) => (typeof fault === "string" ? fault : JSON.stringify(fault));

/** What the schema cannot say: each reference has its component, each component its own reference. */
function strayReferences({ components, dependencies }) {
  const refs = components.map((component) => component["bom-ref"]);
  const known = new Set(refs);
  const used = [
    ...dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]),
    ...[
      ...JSON.stringify(components).matchAll(/"\w*AlgorithmRef":"(.*?)"|"algorithmRef":"(.*?)"/g),
    ].map(([, one, other]) => one ?? other),
  ];
  const stray = [...new Set(used)].filter((ref) => !known.has(ref));
  return [
    ...stray.map((ref) => `no component ${ref}`),
    ...(known.size === refs.length ? [] : ["two components with one bom-ref"]),
  ];
}
