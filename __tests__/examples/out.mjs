// The files that the tests of the scripts left.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Name and text of each file with this ending. No such file is a fault: nothing would be checked. */
export async function filesIn(folder, ending) {
  const names = (await readdir(folder)).filter((name) => name.endsWith(ending)).sort();
  if (names.length === 0) throw new Error(`the tests left no ${ending} files`);
  return await Promise.all(
    names.map(async (name) => ({
      name,
      path: join(folder, name),
      text: await readFile(join(folder, name), "utf8"),
    })),
  );
}
