// One Swagger UI over both services' schemas.
"use strict";

const place = document.getElementById("swagger-ui");

window.ui = SwaggerUIBundle({
  dom_id: "#swagger-ui",
  urls: JSON.parse(place.dataset.schemas),
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  layout: "StandaloneLayout",
  deepLinking: true,
  displayRequestDuration: true,
  // Kept in this browser, and across the two schemas because both call their scheme jwtAuth.
  persistAuthorization: true,
  defaultModelsExpandDepth: 0,
  // The validator would be asked over the internet.
  validatorUrl: null,
});
