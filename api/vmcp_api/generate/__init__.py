"""What is generated from the models: CRDs, JSON Schema, and the tables of the reference."""
