// Builds agent/web/static/cornerstone.js, the same bytes each time, and collects the licences of all that is in it.
//   npm ci --ignore-scripts && npm run build [FOLDER]
import { readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2] ?? join(here, "../agent/web/static");

// Readers of file formats and web workers' parts that no tool of ours calls: left out.
const UNUSED = /^(xmlbuilder2|utif|events|url|child_process|crypto)$/;

// What the site's Content-Security-Policy forbids, written in the way that it allows.
const PATCHES = {
  "tools/dist/esm/drawingSvg/drawTextBox.js": [
    ["textElement.setAttribute('style', combinedStyle);", "textElement.style.cssText = combinedStyle;"],
  ],
  "tools/dist/esm/drawingSvg/setAttributesIfNecessary.js": [
    ["svgNode.setAttribute(key, newValue);", "key === 'style' ? (svgNode.style.cssText = newValue) : svgNode.setAttribute(key, newValue);"],
  ],
  "tools/dist/esm/drawingSvg/setNewAttributesIfValid.js": [
    ["svgNode.setAttribute(key, newValue);", "key === 'style' ? (svgNode.style.cssText = newValue) : svgNode.setAttribute(key, newValue);"],
  ],
};

const leaveOut = {
  name: "leave-out",
  setup(build) {
    build.onResolve({ filter: UNUSED }, ({ path }) => ({ path, namespace: "unused" }));
    build.onLoad({ filter: /.*/, namespace: "unused" }, () => ({ contents: "module.exports = {};", loader: "js" }));
  },
};

const patch = {
  name: "patch",
  setup(build) {
    for (const [file, changes] of Object.entries(PATCHES)) {
      build.onLoad({ filter: new RegExp(`@cornerstonejs/${file.replaceAll(".", "\\.")}$`) }, async ({ path }) => {
        let contents = await readFile(path, "utf8");
        for (const [from, to] of changes) {
          if (!contents.includes(from)) throw new Error(`expected "${from}" in ${file}. Received: another release`);
          contents = contents.replaceAll(from, to);
        }
        return { contents, loader: "js" };
      });
    }
  },
};

const result = await esbuild.build({
  absWorkingDir: here,
  entryPoints: ["entry.mjs"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  metafile: true,
  write: false,
  logLevel: "warning",
  plugins: [leaveOut, patch],
});
await writeFile(join(target, "cornerstone.js"), result.outputFiles[0].contents);
await writeFile(join(target, "cornerstone.licences.txt"), await licences(Object.values(result.metafile.outputs)[0].inputs));

async function licences(inputs) {
  const folders = new Set();
  for (const [input, { bytesInOutput }] of Object.entries(inputs)) {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found !== null && bytesInOutput > 0) folders.add(found[1]);
  }
  const parts = ["cornerstone.js is made of these packages, by viewer/build.mjs. Their licences:\n"];
  for (const folder of [...folders].sort()) {
    const about = JSON.parse(await readFile(join(here, folder, "package.json"), "utf8"));
    const files = (await readdir(join(here, folder))).filter((name) => /^(licen[cs]e|notice|copying)/i.test(name)).sort();
    const texts = await Promise.all(files.map((name) => readFile(join(here, folder, name), "utf8")));
    const said = texts.length > 0 ? texts.join("\n") : `Licence as its package.json says: ${JSON.stringify(about.license)}\n`;
    parts.push(`\n${"=".repeat(100)}\n${about.name} ${about.version} (${about.license})\n${about.homepage ?? ""}\n\n${said.replaceAll("\r\n", "\n").trim()}\n`);
  }
  return parts.join("");
}
