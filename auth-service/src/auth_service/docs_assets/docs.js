// Starts Swagger UI in #swagger-ui, whose data-schemas is a JSON array of {"name", "url"}.
"use strict";

const container = document.getElementById("swagger-ui");
const schemas = JSON.parse(container.dataset.schemas);
// The parameter with which Swagger UI's own top bar remembers the choice.
const PARAMETER = "urls.primaryName";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const followSystem = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
followSystem();
dark.addEventListener("change", followSystem);

const named = new URLSearchParams(window.location.search).get(PARAMETER);
const shown = schemas.find((schema) => schema.name === named) ?? schemas[0];

window.ui = SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: shown.url,
  deepLinking: true,
  displayRequestDuration: true,
  // Kept in this browser, and across schemas, because all of them call their scheme jwtAuth.
  persistAuthorization: true,
  defaultModelsExpandDepth: 0,
  // The validator would be asked over the internet.
  validatorUrl: null,
});

if (schemas.length > 1) {
  const select = document.createElement("select");
  // The id that it has in Swagger UI's own top bar.
  select.id = "select";
  for (const schema of schemas) {
    select.add(new Option(schema.name, schema.url, false, schema === shown));
  }
  select.addEventListener("change", () => {
    const address = new URL(window.location.href);
    address.searchParams.set(PARAMETER, select.selectedOptions[0].text);
    address.hash = "";
    window.history.replaceState(null, "", address);
    window.ui.specActions.updateUrl(select.value);
    window.ui.specActions.download(select.value);
  });
  const label = document.createElement("label");
  label.className = "schema-choice";
  label.append("API", select);
  container.before(label);
}
