// Links and anchors lead somewhere, and the owner's name is the same everywhere.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { annotationOf, REPOSITORY } from "../../src/errors.ts";
import { anchors, DOCUMENTS, ourFiles, read } from "./markdown.ts";

/** Whether a path below ROOT exists and, where the link names an anchor of a document, has it. */
function leadsSomewhere(from: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? from : join(dirname(from), path);
  if (!existsSync(join(ROOT, target))) return false;
  return anchor === undefined || anchors(read(target)).includes(anchor);
}

test.each(DOCUMENTS)("links of %s", (document) => {
  const links = [...read(document).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  const inside = links.filter((link) => !/^[a-z]+:/.test(link));
  expect(inside.filter((link) => !leadsSomewhere(document, link))).toEqual([]);
});

test("addresses of this repository lead somewhere", () => {
  const address = new RegExp(`${REPOSITORY}/(?:blob/v1|actions/workflows)/([\\w./-]*[\\w])(#[\\w-]+)?`, "g");
  const texts = [...ourFiles().map((path) => read(path)), annotationOf("input_invalid", "")];
  const links = texts.flatMap((text) => [...text.matchAll(address)]);
  const paths = links.map(([all, path = "", anchor = ""]) =>
    all.includes("/blob/") ? path + anchor : `.github/workflows/${path.replace("/badge.svg", "")}`,
  );
  expect(paths.length).toBeGreaterThan(2);
  expect(paths.filter((path) => !leadsSomewhere("README.md", path))).toEqual([]);
});

test("the owner's name is the same everywhere", () => {
  const pattern = /([\w-]+)\/armor-token-action\b/g;
  const owner = REPOSITORY.split("/").at(-2);
  const found = ourFiles().flatMap((path) =>
    [...read(path).matchAll(pattern)].map(([, name]) => ({ path, name })),
  );
  expect(found.length).toBeGreaterThan(10);
  // RELEASING.md names the place of the new one.
  expect(found.filter(({ name }) => name !== owner && name !== "OWNER")).toEqual([]);
});
