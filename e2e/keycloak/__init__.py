"""A real Keycloak beside the tests: installed from Maven Central, with realms of the tests' own."""
